//! Workers die, freeze, leave and join (docs/FAULTS.md 2, 3, 4, 24).

use nix::sys::signal::Signal;
use satchel_testkit::job::{reward_pieces, use_item};
use satchel_testkit::{Satchel, Setup, load, soak, wait};
use satchel_tests::invariants;
use serde_json::{Value, json};

/// Submits `jobs` jobs for each of [`load::PLAYERS`] players, a reward and its use in turn.
async fn fill(satchel: &Satchel, jobs: usize) {
    for player in 0..load::PLAYERS {
        let user = format!("player-{player}");
        let in_turn = |i: usize| {
            if i.is_multiple_of(2) { reward_pieces(&user, "arrow", 1) } else { use_item(&user, "arrow", 1) }
        };
        let jobs: Vec<Value> = (0..jobs).map(in_turn).collect();
        satchel.game().submit(&json!(jobs)).await.expect(202);
    }
}

fn finished(satchel: &Satchel) -> i64 {
    satchel.database.owner.number("SELECT count(*) FROM jobs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_in_mid_drain_again_and_again_loses_and_doubles_nothing_however_long() {
    let satchel = Setup::new().brisk().workers(0).start().await;
    let wanted = soak::rounds(5, 10);
    // Of each player.
    let jobs = soak::rounds(80, 200);
    let mut kills = 0;
    while kills < wanted {
        if satchel.redis.commands.waiting() < jobs * load::PLAYERS {
            fill(&satchel, jobs).await;
        }
        let before = finished(&satchel);
        satchel.start_worker();
        wait::until_true("the worker has committed something", || finished(&satchel) > before).await;
        satchel.kill_workers();
        // Killed with nothing left to do would be no kill in mid-drain.
        kills += usize::from(satchel.redis.commands.waiting() > 0);
    }
    satchel.start_worker();
    invariants::check(&satchel).await;
    assert_eq!(satchel.database.owner.number("SELECT count(*) FROM jobs WHERE status <> 'applied'"), 0);
    assert_eq!(finished(&satchel), i64::try_from(satchel.journal.accepted().len()).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_asked_to_stop_finishes_what_it_has_begun_and_leaves_the_rest() {
    let satchel = Setup::new().brisk().workers(1).start().await;
    fill(&satchel, 200).await;
    wait::until_true("the worker is at work", || finished(&satchel) > 0).await;
    let status = satchel.stop_worker(Signal::SIGTERM);
    assert_eq!(status.code(), Some(0), "{status}");
    let left = "SELECT count(*) FROM shard_leases JOIN workers ON owner = worker_id WHERE expires_at > now()";
    assert_eq!(satchel.database.owner.number(left), 0, "it has given its shards back");
    satchel.start_worker();
    invariants::check(&satchel).await;
    assert_eq!(satchel.database.owner.number("SELECT count(*) FROM jobs WHERE status <> 'applied'"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_asked_to_stop_finishes_its_answers() {
    let satchel = Satchel::start().await;
    satchel.game().submit(&reward_pieces("u1", "gold", 5)).await.expect(202);
    let status = satchel.stop_api(Signal::SIGTERM);
    assert_eq!(status.code(), Some(0), "{status}");
    satchel.start_api().await;
    invariants::check(&satchel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_killed_under_load_is_safe_to_ask_again_with_the_same_keys() {
    let satchel = Setup::new().start().await;
    let players = load::start(&satchel, 50);
    for part in 1..=3 {
        load::accepted(&satchel, part * 200).await;
        satchel.kill_api();
        satchel.start_api().await;
    }
    players.join_all().await;
    invariants::check(&satchel).await;
    load::assert_all_applied(&satchel, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_worker_is_replaced_and_cannot_commit_when_it_thaws() {
    let satchel = Setup::new().brisk().workers(1).start().await;
    let players = load::start(&satchel, 50);
    load::accepted(&satchel, 200).await;
    satchel.signal_worker(Signal::SIGSTOP);
    satchel.start_worker();
    // The second worker must have taken over before the first one wakes up.
    let before = finished(&satchel);
    wait::until_true("the other worker is at work", || finished(&satchel) > before + 50).await;
    satchel.signal_worker(Signal::SIGCONT);
    players.join_all().await;
    invariants::check(&satchel).await;
    load::assert_all_applied(&satchel, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_may_join_and_leave_under_load() {
    let satchel = Setup::new().brisk().workers(1).start().await;
    let players = load::start(&satchel, 100);
    for part in 1..=4 {
        load::accepted(&satchel, part * 300).await;
        satchel.start_worker();
        load::accepted(&satchel, part * 300 + 150).await;
        let status = satchel.stop_worker(Signal::SIGTERM);
        assert_eq!(status.code(), Some(0), "{status}");
    }
    players.join_all().await;
    invariants::check(&satchel).await;
    load::assert_all_applied(&satchel, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_frozen_inside_its_transaction_is_replaced_too() {
    let satchel = Setup::new().brisk().workers(1).start().await;
    let game = satchel.game();
    game.submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    let lock = satchel
        .database
        .hold("SELECT FROM users JOIN user_names USING (shard, uid) WHERE user_id = 'u1' FOR UPDATE OF users");
    game.submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
    satchel.database.someone_waits_for_a_lock().await;
    satchel.signal_worker(Signal::SIGSTOP);
    drop(lock);
    satchel.start_worker();
    let applied = || satchel.database.owner.number("SELECT count(*) FROM jobs") == 2;
    wait::until_true("the other worker applies the job", applied).await;
    satchel.signal_worker(Signal::SIGCONT);
    game.submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 3)]);
}

/// Somebody who is not alive takes all shards.
const TAKEOVER: &str = "UPDATE shard_leases SET owner = gen_random_uuid(), epoch = epoch + 1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_shard_was_taken_meanwhile_is_refused() {
    let satchel = Setup::new().brisk().workers(1).start().await;
    let game = satchel.game();
    game.submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    // While somebody is about to take all shards, nothing is applied.
    let takeover = satchel.database.hold(TAKEOVER);
    game.submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
    wait::until_true("the worker has met it", || satchel.worker_output().contains("has locked the leases")).await;
    assert_eq!(satchel.decided(), 1);
    takeover.commit();
    // Nobody alive: it gets them back. Soon a batch comes before it has seen that they were taken.
    let mut jobs = 2;
    while !satchel.worker_output().contains("fenced off") {
        assert!(jobs < 1_000, "no batch is refused");
        satchel.database.owner.run(TAKEOVER);
        game.submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
        jobs += 1;
    }
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), jobs)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_inside_its_transaction_leaves_nothing_of_it() {
    let satchel = Setup::new().brisk().workers(1).start().await;
    let game = satchel.game();
    game.submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    let lock = satchel
        .database
        .hold("SELECT FROM users JOIN user_names USING (shard, uid) WHERE user_id = 'u1' FOR UPDATE OF users");
    game.submit(&json!([reward_pieces("u1", "arrow", 2), use_item("u1", "arrow", 3)])).await.expect(202);
    satchel.database.someone_waits_for_a_lock().await;
    satchel.kill_workers();
    drop(lock);
    satchel.start_worker();
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_worker_committed_and_could_not_delete_before_it_was_killed_has_one_effect() {
    let satchel = Setup::new().brisk().workers(1).start().await;
    let game = satchel.game();
    game.submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    let lock = satchel
        .database
        .hold("SELECT FROM users JOIN user_names USING (shard, uid) WHERE user_id = 'u1' FOR UPDATE OF users");
    game.submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
    satchel.database.someone_waits_for_a_lock().await;
    // Killed, not paused: what waits in a paused Redis's sockets would still be done.
    satchel.redis.kill();
    drop(lock);
    wait::until_true("the worker has committed", || finished(&satchel) == 2).await;
    satchel.kill_workers();
    satchel.redis.start();
    assert_eq!(satchel.redis.commands.waiting(), 1);
    satchel.start_worker();
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 2)]);
}
