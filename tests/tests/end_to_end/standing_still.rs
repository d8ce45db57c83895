//! What somebody with a program's login writes or holds so that nothing goes on, and it does.

use satchel_testkit::job::reward_pieces;
use satchel_testkit::{Database, Setup};
use satchel_tests::invariants;

#[tokio::test]
async fn a_ghosts_leases_at_the_highest_epoch_keep_no_shard_from_being_served() {
    let satchel = Setup::new().brisk().workers(0).start().await;
    satchel.game().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
    satchel.database.worker.run(
        "INSERT INTO workers (worker_id, expires_at) VALUES (gen_random_uuid(), now() + interval '10 years');
         UPDATE shard_leases SET owner = (SELECT worker_id FROM workers), epoch = 4611686018427387904",
    );
    satchel.start_worker();
    satchel.settled(1).await;
    invariants::check(&satchel).await;
    assert!(satchel.worker_output().contains("a worker claimed to live for longer than any may"));
}

/// How long a session may hold its locks, in milliseconds. (A batch may wait for a second.)
const LIMIT: &str = "SATCHEL_TRANSACTION_LIMIT_MS";

#[tokio::test]
async fn nobody_holds_batches_up_for_long_by_the_lock_that_changes_of_their_rules_take() {
    let satchel = Setup::new().brisk().api_env(LIMIT, "1000").start().await;
    satchel.settled(1).await;
    let (api, worker) = (&satchel.database.api, &satchel.database.worker);
    // The lock that it once was, which anybody may hold.
    let _free = Database::hold_as(worker, "SELECT pg_advisory_lock(5999168826586254337)");
    satchel.game().submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);

    for mode in ["SHARE", "EXCLUSIVE", "ACCESS EXCLUSIVE"] {
        for login in [api, worker] {
            let said = login.try_run(&format!("BEGIN; LOCK TABLE rules_gate IN {mode} MODE")).unwrap_err().0;
            assert!(said.contains("permission denied"), "{mode} as {}: {said}", login.user);
        }
    }
    let _held = Database::hold_as(api, "SELECT change_rules()");
    satchel.game().submit(&reward_pieces("u1", "arrow", 2)).await.expect(202);
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 2");
    let said = satchel.api_output();
    assert!(said.contains("a session held its locks for too long and was ended"), "{said}");
    let metrics = satchel.anyone().get("/metrics").await.expect(200).text;
    assert!(metrics.contains("satchel_api_sessions_ended_total 1"), "{metrics}");
}

#[tokio::test]
async fn rows_and_tables_that_a_session_with_a_workers_login_locks_for_ever_are_free_again() {
    let satchel = Setup::new().brisk().worker_env(LIMIT, "3000").start().await;
    satchel.game().submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    satchel.settled(1).await;
    let worker = &satchel.database.worker;
    let reader = Database::hold_as(worker, "SELECT count(*) FROM users");
    let _held: Vec<_> = [
        "SELECT FROM users FOR UPDATE",
        "SELECT FROM shard_leases FOR UPDATE",
        "LOCK TABLE parked_jobs IN ACCESS EXCLUSIVE MODE",
        "LOCK TABLE rules_gate IN ROW EXCLUSIVE MODE",
    ]
    .map(|sql| Database::hold_as(worker, sql))
    .into();
    satchel.game().submit(&reward_pieces("u1", "arrow", 2)).await.expect(202);
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 2");
    satchel.pause().await;
    satchel.resume().await;
    let said = satchel.worker_output();
    assert!(said.matches("a session held its locks for too long and was ended").count() >= 4, "{said}");
    // Who only reads holds nobody up.
    reader.commit();
}
