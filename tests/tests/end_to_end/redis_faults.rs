//! Redis dies, hangs, fills up and forgets (docs/FAULTS.md 6, 8, 10, 11).

use satchel_testkit::job::{reward, reward_pieces};
use satchel_testkit::{Satchel, Setup, load, wait};
use satchel_tests::invariants;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_and_restarted_under_load_loses_nothing_that_was_accepted() {
    let satchel = Setup::new().workers(2).start().await;
    let players = load::start(&satchel, 50);
    for part in 1..=3 {
        load::accepted(&satchel, part * 150).await;
        satchel.redis.kill();
        satchel.redis.start();
    }
    players.join_all().await;
    invariants::check(&satchel).await;
    load::assert_all_applied(&satchel, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_is_answered_with_503_and_then_recovers() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    game.submit_and_wait(&reward_pieces("u1", "gold", 1)).await.expect(200);
    satchel.redis.pause();
    let job = reward_pieces("u1", "gold", 2);
    let refused = game.submit_under("hanging", &job).await;
    refused.problem(503);
    assert!(!refused.header("Retry-After").is_empty(), "{refused:?}");
    satchel.redis.resume();
    game.submit_until_accepted("hanging", &job).await;
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("gold".to_owned(), 3)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_is_answered_with_503_while_workers_drain_and_then_recovers() {
    let satchel = Setup::new().workers(0).start().await;
    let game = satchel.game();
    for i in 0..20 {
        game.submit(&reward_pieces(&format!("u{i}"), "gold", 1)).await.expect(202);
    }
    satchel.redis.commands.run(&["CONFIG", "SET", "maxmemory", "1"]);
    game.submit_under("full", &reward("u1", json!(["key"]))).await.problem(503);
    satchel.start_worker();
    wait::until_true("the queue is drained though Redis is full", || {
        satchel.database.owner.number("SELECT count(*) FROM jobs") == 20
    })
    .await;
    satchel.redis.commands.run(&["CONFIG", "SET", "maxmemory", "0"]);
    game.submit_until_accepted("full", &reward("u1", json!(["key"]))).await;
    invariants::check(&satchel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_stream_is_made_anew_and_work_goes_on() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    game.submit_and_wait(&reward_pieces("u1", "gold", 1)).await.expect(200);
    for key in satchel.redis.commands.streams() {
        satchel.redis.commands.run(&["DEL", &key]);
    }
    for player in 0..load::PLAYERS {
        game.submit_and_wait(&reward_pieces(&format!("player-{player}"), "gold", 1)).await.expect(200);
    }
    game.submit_and_wait(&reward_pieces("u1", "gold", 1)).await.expect(200);
    invariants::check(&satchel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_redis_is_taken_up_again() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    let job = reward_pieces("u1", "gold", 1);
    let first = game.submit_under("k", &job).await.expect(202).job_id();
    satchel.finished(&first).await;
    satchel.redis.commands.run(&["FLUSHALL"]);
    // What was applied is remembered by Postgres, whatever Redis has forgotten.
    let again = game.submit_under("k", &job).await;
    assert_eq!(again.job_id(), first);
    game.submit_and_wait(&reward_pieces("u1", "gold", 1)).await.expect(200);
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("gold".to_owned(), 2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_gone_for_good_is_refused_with_503_and_an_empty_one_is_taken_up_by_itself() {
    let satchel = Setup::new().workers(2).start().await;
    let game = satchel.game();
    game.submit_and_wait(&reward_pieces("u1", "gold", 1)).await.expect(200);
    satchel.redis.kill();
    let refused = game.submit(&reward_pieces("u1", "gold", 1)).await;
    refused.problem(503);
    assert!(!refused.header("Retry-After").is_empty(), "{refused:?}");
    satchel.redis.lose_everything();
    satchel.redis.start();
    for player in 0..load::PLAYERS {
        game.submit_until_accepted(&format!("{player}"), &reward_pieces(&format!("player-{player}"), "gold", 1)).await;
    }
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), format!("applied {}", 1 + load::PLAYERS));
}
