//! `SATCHEL_JOURNAL=postgres`: what was accepted is applied, whatever Redis forgets.

use chrono::{TimeDelta, Utc};
use satchel_testkit::job::{high, not_before, reward_pieces, use_item};
use satchel_testkit::load::{self, Endless};
use satchel_testkit::players::neighbours;
use satchel_testkit::poison::{self, poisonous};
use satchel_testkit::{Satchel, Setup, wait};
use satchel_tests::invariants;
use serde_json::{Value, json};

async fn start() -> Satchel {
    Setup::new().journaled().brisk().workers(2).start().await
}

/// Jobs of `user` that are all applied only if they are applied in this order.
fn sequence(user: &str) -> Value {
    json!([
        reward_pieces(user, "arrow", 1),
        use_item(user, "arrow", 1),
        high(reward_pieces(user, "arrow", 2)),
        use_item(user, "arrow", 2),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_emptied_under_load_again_and_again_loses_and_swaps_nothing() {
    let satchel = start().await;
    let load = Endless::start(&satchel);
    for part in 0..5 {
        load::more_accepted(&satchel, 100).await;
        // Jobs without a key, too.
        for player in 0..10 {
            satchel.game().submit(&sequence(&format!("other-{part}-{player}"))).await.expect(202);
        }
        satchel.redis.commands.run(&["FLUSHALL"]);
    }
    load::more_accepted(&satchel, 100).await;
    load.stop().await;
    invariants::check(&satchel).await;
    load::assert_none_rejected(&satchel);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_accepted_while_redis_is_away_and_applied_when_it_is_back_empty() {
    let satchel = start().await;
    let game = satchel.game();
    game.submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    satchel.redis.kill();
    for user in ["u1", "u2", "u3"] {
        game.submit(&sequence(user)).await.expect(202);
    }
    let job = reward_pieces("u1", "arrow", 5);
    let id = game.submit_under("away", &job).await.expect(202).job_id();
    let again = game.submit_under("away", &job).await.expect(202);
    assert_eq!((&again.job_id(), again.header("Idempotent-Replayed")), (&id, "true"));
    game.submit_under("away", &reward_pieces("u1", "arrow", 6)).await.problem(422);
    assert_eq!(satchel.job(&id).await["status"], "queued");
    satchel.redis.lose_everything();
    satchel.redis.start();
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 14");
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 6)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_and_a_worker_killed_and_redis_emptied_under_load_lose_and_double_nothing() {
    let satchel = start().await;
    let load = Endless::start(&satchel);
    for _ in 0..3 {
        load::more_accepted(&satchel, 100).await;
        satchel.kill_api();
        satchel.redis.commands.run(&["FLUSHALL"]);
        satchel.stop_worker(nix::sys::signal::Signal::SIGKILL);
        satchel.start_worker();
        satchel.start_api().await;
    }
    load::more_accepted(&satchel, 100).await;
    load.stop().await;
    invariants::check(&satchel).await;
    load::assert_none_rejected(&satchel);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_stream_is_fed_again_in_its_order() {
    let satchel = Setup::new().journaled().brisk().workers(0).start().await;
    let mut users = Vec::new();
    for player in 0..10 {
        let user = format!("player-{player}");
        satchel.game().submit(&sequence(&user)).await.expect(202);
        users.push(user);
    }
    for stream in satchel.redis.commands.streams() {
        satchel.redis.commands.run(&["DEL", &stream]);
    }
    let statistics = satchel.operator().get("/api/v1/queues/stats").await.expect(200).json();
    assert_eq!(statistics["stats"]["waiting"], 40, "what Redis has forgotten waits all the same");
    assert!(statistics["oldestWaitingMs"].is_number());
    // These stand in the streams, those before them do not any more.
    for user in &users {
        satchel.game().submit(&sequence(user)).await.expect(202);
    }
    satchel.start_worker();
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 80");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poison_job_that_only_the_journal_has_is_parked_and_the_right_one() {
    let satchel = Setup::new().journaled().brisk().workers(0).start().await;
    poison::lay(&satchel);
    let jobs = json!([
        reward_pieces("u1", "arrow", 1),
        poisonous(reward_pieces("u1", "arrow", 2)),
        use_item("u1", "arrow", 3),
    ]);
    let mut ids = satchel.game().submit(&jobs).await.expect(202).job_ids();
    satchel.redis.commands.run(&["FLUSHALL"]);
    // This one brings the others with it.
    ids.push(satchel.game().submit(&reward_pieces("u1", "arrow", 5)).await.expect(202).job_id());
    for user in neighbours("u1", 3) {
        satchel.game().submit(&sequence(&user)).await.expect(202);
    }
    satchel.start_worker();
    let parked = satchel.status_becomes(&ids[1], "parked").await;
    assert_eq!(parked["attempts"], 3, "{parked}");
    invariants::check_with_parked(&satchel, &[&[&ids[1], &ids[2], &ids[3]]]).await;
    satchel.redis.commands.run(&["FLUSHALL"]);
    poison::clear(&satchel);
    satchel.retry(&ids[1]).await.expect(202);
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 16");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_told_apart_by_postgres_alone_before_and_after_a_job_is_decided() {
    let satchel = Setup::new().journaled().brisk().workers(0).start().await;
    let game = satchel.game();
    let job = reward_pieces("u1", "arrow", 1);
    let id = game.submit_under("k", &job).await.expect(202).job_id();
    let check_key = async || {
        let again = game.submit_under("k", &job).await.expect(202);
        assert_eq!((&again.job_id(), again.header("Idempotent-Replayed")), (&id, "true"));
        game.submit_under("k", &reward_pieces("u1", "arrow", 2)).await.problem(422);
    };
    check_key().await;
    satchel.redis.commands.run(&["FLUSHALL"]);
    check_key().await;
    satchel.start_worker();
    satchel.finished(&id).await;
    check_key().await;
    // Many at once under one key are one job.
    let mut at_once = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let game = game.clone();
        at_once.spawn(async move { game.submit_under("many", &reward_pieces("u1", "arrow", 1)).await.job_id() });
    }
    let mut ids = at_once.join_all().await;
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_job_that_redis_forgot_is_applied_when_it_is_due() {
    let satchel = start().await;
    let due = Utc::now() + TimeDelta::seconds(3);
    let job = not_before(reward_pieces("u1", "arrow", 1), due);
    let id = satchel.game().submit(&job).await.expect(202).job_id();
    satchel.redis.commands.run(&["FLUSHALL"]);
    assert_eq!(satchel.job(&id).await["status"], "queued");
    invariants::check(&satchel).await;
    let early = format!("SELECT count(*) FROM jobs WHERE applied_at < '{due}'");
    assert_eq!(satchel.database.owner.number(&early), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_postgres_nothing_is_accepted() {
    let satchel = Setup::new().journaled().brisk().own_postgres().start().await;
    let game = satchel.game();
    game.submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    satchel.database.server.stop();
    for key in ["k", "l"] {
        let refused = game.submit_under(key, &reward_pieces("u1", "arrow", 1)).await;
        refused.problem(503);
        assert!(!refused.header("Retry-After").is_empty(), "{refused:?}");
    }
    game.submit(&reward_pieces("u1", "arrow", 1)).await.problem(503);
    satchel.database.server.start();
    for key in ["k", "l"] {
        game.submit_until_accepted(key, &reward_pieces("u1", "arrow", 1)).await;
    }
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 3)]);
}

#[tokio::test]
async fn readyz_says_which_journal_there_is() {
    for (setup, mode) in [(Setup::new(), "none"), (Setup::new().journaled(), "postgres")] {
        let satchel = setup.workers(0).start().await;
        let ready = wait::until("it is ready", || async {
            let answer = satchel.anyone().get("/readyz").await;
            (answer.status == 200).then(|| answer.json())
        })
        .await;
        assert_eq!(ready["journal"], mode, "{ready}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delayed_jobs_that_redis_forgets_keep_their_order() {
    const JOBS: i64 = 30;
    let satchel = start().await;
    let due = Utc::now() + TimeDelta::seconds(3);
    let game = satchel.game();
    // Each needs what those before it gave.
    let reward = |number: i64| not_before(reward_pieces("u1", "arrow", number), due);
    let jobs: Vec<Value> = (1..=JOBS).map(reward).collect();
    game.submit(&json!(jobs)).await.expect(202);
    let early = not_before(reward_pieces("u1", "arrow", 100), due - TimeDelta::milliseconds(5));
    game.submit(&early).await.expect(202);
    satchel.redis.commands.run(&["FLUSHALL"]);
    wait::until_true("they are due", || Utc::now() > due).await;
    game.submit(&use_item("u1", "arrow", 100)).await.expect(202);
    invariants::check(&satchel).await;
    let history = satchel.history("u1", "?order=asc&limit=100").await;
    let deltas: Vec<i64> = history.iter().map(|entry| entry["delta"].as_i64().unwrap()).collect();
    let expected: Vec<i64> = std::iter::once(100).chain(1..=JOBS).chain([-100]).collect();
    assert_eq!(deltas, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_api_keeps_a_journal_all_do_and_they_end_to_after_it() {
    let satchel = Setup::new().brisk().workers(0).start().await;
    let game = satchel.game();
    let job = reward_pieces("u1", "arrow", 1);
    let rows = |job_id: &str| {
        satchel.database.owner.number(&format!("SELECT count(*) FROM journal WHERE job_id = '{job_id}'"))
    };
    let id = game.submit_under("before", &job).await.expect(202).job_id();
    assert_eq!(rows(&id), 0);

    // When it is ready, the first one has heard of it.
    let other = satchel.other_api(&[("SATCHEL_JOURNAL", "postgres")]).await;
    assert_eq!(rows(&game.submit(&job).await.expect(202).job_id()), 1);
    let report = satchel.anyone().get("/readyz").await.expect(200).json();
    assert_eq!(report["journal"], "postgres", "{report}");
    assert!(report["checks"]["queue"]["warnings"].to_string().contains("another API"), "{report}");
    assert!(satchel.api_output().contains("this one does as well, though SATCHEL_JOURNAL is none"));
    let again = game.submit_under("before", &job).await.expect(202);
    assert_eq!((&again.job_id(), again.header("Idempotent-Replayed")), (&id, "true"));
    game.submit_under("before", &reward_pieces("u1", "arrow", 2)).await.problem(422);

    // So does one that comes later, from its first job on.
    satchel.kill_api();
    satchel.start_api().await;
    assert_eq!(rows(&game.submit(&job).await.expect(202).job_id()), 1);
    for _ in 0..5 {
        other.game.submit(&sequence("u2")).await.expect(202);
        game.submit(&sequence("u2")).await.expect(202);
    }
    satchel.start_worker();
    other.stop(nix::sys::signal::Signal::SIGKILL);
    wait::until_true("the first one ends to", || satchel.api_output().contains("nor does this one")).await;
    satchel.settled(1).await;
    satchel.pause().await;
    assert_eq!(rows(&game.submit(&job).await.expect(202).job_id()), 0);
    satchel.resume().await;
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 44");
}
