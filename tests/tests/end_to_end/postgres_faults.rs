//! Postgres dies, drops connections, holds locks and is slow (docs/FAULTS.md 15, 17, 19, 23, 32).

use std::time::Duration;

use satchel_testkit::job::reward_pieces;
use satchel_testkit::players::{neighbours, one_per_shard, strangers};
use satchel_testkit::{Satchel, Setup, load, wait};
use satchel_tests::invariants;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_restarted_at_once_under_load_keeps_what_was_committed() {
    let satchel = Setup::new().own_postgres().workers(2).start().await;
    let players = load::start(&satchel, 50);
    for part in 1..=3 {
        load::finished(&satchel, part * 150).await;
        satchel.database.server.crash();
        satchel.database.server.start();
    }
    players.join_all().await;
    invariants::check(&satchel).await;
    load::assert_all_applied(&satchel, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_in_the_middle_of_work_are_made_anew() {
    let satchel = Setup::new().workers(2).start().await;
    let players = load::start(&satchel, 50);
    for part in 1..=5 {
        load::finished(&satchel, part * 100).await;
        let _ = satchel.database.owner.run(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
    }
    players.join_all().await;
    invariants::check(&satchel).await;
    load::assert_all_applied(&satchel, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_accepted_while_postgres_is_away_and_applied_when_it_is_back() {
    let satchel = Setup::new().own_postgres().start().await;
    let game = satchel.game();
    let arrow = reward_pieces("u1", "arrow", 1);
    game.submit_under("before", &arrow).await.expect(202);
    invariants::check(&satchel).await;
    satchel.database.server.stop();
    for _ in 0..3 {
        game.submit(&arrow).await.expect(202);
    }
    // Whether a key was used before, Postgres alone knows for certain: it is not guessed.
    for key in ["before", "away"] {
        let answer = game.submit_under(key, &arrow).await;
        answer.problem(503);
        assert!(!answer.header("Retry-After").is_empty(), "{answer:?}");
    }
    satchel.database.server.start();
    for key in ["before", "away"] {
        game.submit_until_accepted(key, &arrow).await;
    }
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 5)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_another_session_locks_delays_its_player_and_loses_nothing() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    game.submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    let lock = satchel
        .database
        .hold("SELECT FROM users JOIN user_names USING (shard, uid) WHERE user_id = 'u1' FOR UPDATE OF users");
    game.submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
    satchel.database.someone_waits_for_a_lock().await;
    drop(lock);
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_another_session_locks_delays_no_other_shard() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    game.submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    let lock = satchel
        .database
        .hold("SELECT FROM users JOIN user_names USING (shard, uid) WHERE user_id = 'u1' FOR UPDATE OF users");
    let locked = game.submit(&reward_pieces("u1", "arrow", 1)).await.expect(202).job_id();
    satchel.database.someone_waits_for_a_lock().await;
    let others = strangers("u1", 20);
    for other in &others {
        game.submit(&reward_pieces(other, "arrow", 1)).await.expect(202);
    }
    wait::until_true("the other shards' jobs are applied", || satchel.decided() == 21).await;
    assert_eq!(satchel.job(&locked).await["status"], "queued");
    drop(lock);
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 22");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_that_another_session_locks_delay_no_other_shard() {
    let satchel = Setup::new().with_statements().start().await;
    let game = satchel.game();
    let lock = satchel.database.hold("SELECT FROM shard_leases WHERE shard < 8 FOR UPDATE");
    let users = one_per_shard();
    let jobs: Vec<_> = users.iter().map(|user| reward_pieces(user, "arrow", 1)).collect();
    for round in 1..=3 {
        game.submit(&json!(jobs)).await.expect(202);
        let applied = round * 56;
        wait::until_true("the other shards' jobs are applied", || satchel.decided() == applied).await;
    }
    // Nobody waits for a lease, so nobody's jobs wait for those who do.
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    assert_eq!(satchel.database.owner.number(waits), 0);
    drop(lock);
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 192");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_statement_never_ends_is_parked_and_its_shard_goes_on() {
    let satchel = Setup::new().workers(0).worker_env("SATCHEL_JOB_ATTEMPTS", "1").start().await;
    satchel.database.owner.run(
        "CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;
         CREATE TRIGGER hang BEFORE INSERT ON records FOR EACH ROW WHEN (NEW.body LIKE '%\"stack\":[\"arrow\",77,%')
         EXECUTE FUNCTION hang();",
    );
    let game = satchel.game();
    let mut others = strangers("u1", 10);
    others.extend(neighbours("u1", 20));
    let jobs: Vec<_> = others.iter().map(|user| reward_pieces(user, "arrow", 1)).collect();
    game.submit(&json!(jobs)).await.expect(202);
    let chain = json!([reward_pieces("u1", "arrow", 77), reward_pieces("u1", "arrow", 1)]);
    let chain = game.submit(&chain).await.expect(202).job_ids();
    game.submit(&json!(jobs)).await.expect(202);
    satchel.start_worker();
    satchel.status_becomes(&chain[0], "parked").await;
    wait::until_true("all other jobs are applied", || satchel.decided() == 60).await;
    let chain: Vec<&str> = chain.iter().map(String::as_str).collect();
    invariants::check_with_parked(&satchel, &[&chain]).await;
    satchel.database.owner.run("DROP TRIGGER hang ON records");
    satchel.retry(chain[0]).await.expect(202);
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 62");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_nobody_waits_for_any_more_is_ended() {
    let satchel = Satchel::start().await;
    satchel.database.owner.run(
        "CREATE OR REPLACE FUNCTION first_event_since(of_shard integer, since timestamptz) RETURNS bigint
         LANGUAGE plpgsql STABLE AS 'BEGIN PERFORM pg_sleep(60); RETURN 0; END'",
    );
    let answer = satchel.operator().get("/api/v1/events?from=2026-01-01T00:00:00Z").await;
    answer.problem(503);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let active = "SELECT count(*) FROM pg_stat_activity
                  WHERE datname = current_database() AND application_name = 'satchel-api' AND state = 'active'";
    assert_eq!(satchel.database.owner.number(active), 0, "it runs on");
    invariants::check(&satchel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inventories_are_read_as_soon_as_postgres_is_back() {
    // One thread, so that it is the one whose connection is cut that reads next.
    let satchel = Setup::new().own_postgres().api_env("SATCHEL_API_THREADS", "1").start().await;
    satchel.game().submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    let arrow = [("arrow".to_owned(), 1)];
    assert_eq!(satchel.holdings("u1").await, arrow);

    satchel.database.server.crash();
    satchel.database.server.start();
    assert_eq!(satchel.holdings("u1").await, arrow, "nobody read while it was away: nobody has to notice");

    satchel.database.server.stop();
    for _ in 0..2 {
        let answer = satchel.operator().get("/api/v1/users/u1/inventory").await;
        answer.problem(503);
        assert!(!answer.header("Retry-After").is_empty(), "{answer:?}");
    }
    satchel.database.server.start();
    assert_eq!(satchel.holdings("u1").await, arrow);
    invariants::check(&satchel).await;
}
