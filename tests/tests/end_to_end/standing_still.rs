//! What somebody with the application's login writes so that nothing goes on, and it does.

use satchel_tests::job::reward_pieces;
use satchel_tests::{Setup, invariants, wait};
use serde_json::json;

#[tokio::test]
async fn a_ghosts_leases_at_the_highest_epoch_keep_no_shard_from_being_served() {
    let satchel = Setup::new().brisk().workers(0).start().await;
    satchel.game().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
    satchel.database.app.run(
        "INSERT INTO workers (worker_id, expires_at) VALUES (gen_random_uuid(), now() + interval '10 years');
         UPDATE shard_leases SET owner = (SELECT worker_id FROM workers), epoch = 4611686018427387904",
    );
    satchel.start_worker();
    satchel.settled(1).await;
    invariants::check(&satchel).await;
    assert!(satchel.worker_output().contains("a worker claimed to live for longer than any may"));
}

#[tokio::test]
async fn an_event_ahead_of_its_shards_counter_stops_nothing() {
    let satchel = Setup::new().brisk().start().await;
    satchel.settled(1).await;
    // In every shard, the number that the next event would have.
    satchel.database.app.run(
        "INSERT INTO events (shard, seq, user_id, name, version, at, id, data)
         SELECT shard, events + 1, 'no body', 'a/b', 1, now(), 'x', '{}' FROM shard_counters",
    );
    let jobs = json!([reward_pieces("u1", "arrow", 1), reward_pieces("u1", "arrow", 2)]);
    satchel.game().submit(&jobs).await.expect(202);
    let behind = "SELECT count(*) FROM shard_counters WHERE events = 0";
    wait::until_true("every counter has stepped over", || satchel.database.owner.number(behind) == 0).await;
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 2");
    assert_eq!(satchel.database.owner.number("SELECT count(*) FROM parked_jobs"), 0);
    assert!(satchel.worker_output().contains("ahead of the shard's counter"));
}
