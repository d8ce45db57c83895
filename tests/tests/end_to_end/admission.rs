//! How many jobs one actor may bring.

use satchel_testkit::job::{reward_pieces, use_item};
use satchel_testkit::players::neighbours;
use satchel_testkit::token::ALL_SCOPES;
use satchel_testkit::{Answer, Satchel, Setup, poison, wait};
use satchel_tests::invariants;
use serde_json::{Value, json};

fn uses(user: &str, number: usize) -> Value {
    json!(vec![use_item(user, "arrow", 1); number])
}

/// That an answer asks to wait at least so many seconds, and to the second as long as it says.
fn assert_waits(answer: &Answer, at_least: u64) {
    let problem = answer.problem(429);
    assert_eq!(problem["type"], "/problems/too-many-requests", "{problem}");
    let seconds: u64 = answer.header("Retry-After").parse().expect("whole seconds");
    assert!((at_least..=100).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_player_that_brings_more_jobs_than_allowed_is_told_when_to_come_again() {
    let setup = Setup::new().api_env("SATCHEL_PLAYER_JOBS_PER_SECOND", "1");
    let satchel = setup.api_env("SATCHEL_PLAYER_JOBS_BURST", "100").start().await;
    satchel.game().submit_and_wait(&reward_pieces("u1", "arrow", 500)).await.expect(200);
    let player = satchel.player("u1");
    let taken = player.submit(&uses("u1", 100)).await.expect(202).job_ids();
    // All or nothing: a second later there would be room for one of them.
    assert_waits(&player.submit(&uses("u1", 50)).await, 2);
    // What is refused for its faults costs as much.
    let other = satchel.player("u2");
    other.submit(&json!(vec![json!({"type": "fly"}); 100])).await.expect(202);
    assert_waits(&other.submit(&uses("u2", 60)).await, 2);
    // Another player, and who is no player, are not held up.
    satchel.player("u3").submit(&uses("u3", 100)).await.expect(202);
    satchel.game().submit(&json!(vec![reward_pieces("u1", "arrow", 1); 1_000])).await.expect(202);
    satchel.service("u1", ALL_SCOPES).submit(&uses("u1", 500)).await.expect(202);
    for id in taken {
        assert_eq!(satchel.finished(&id).await["status"], "applied");
    }
    let metrics = satchel.anyone().get("/metrics").await.expect(200).text;
    assert!(metrics.contains("satchel_api_jobs_limited_total 110\n"), "{metrics}");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn services_are_limited_if_they_are_to_be_each_for_itself_events_included() {
    let setup = Setup::new().api_env("SATCHEL_SERVICE_JOBS_PER_SECOND", "10");
    let satchel = setup.api_env("SATCHEL_SERVICE_JOBS_BURST", "1000").workers(0).start().await;
    let event = |number: usize| json!({"id": format!("e{number}"), "name": "no/such", "userId": "u1"});
    let (game, other) = (satchel.game(), satchel.service("other", ALL_SCOPES));
    game.tell(&json!((0..1_000).map(event).collect::<Vec<_>>())).await.expect(202);
    assert_waits(&game.submit(&uses("u1", 900)).await, 2);
    assert_waits(&game.tell(&json!((0..900).map(event).collect::<Vec<_>>())).await, 2);
    other.submit(&uses("u1", 1)).await.expect(202);
}

async fn may_go_on(satchel: &Satchel, user: &str) {
    let (player, job) = (satchel.player(user), use_item(user, "arrow", 1));
    wait::until("the player may go on", || async { (player.submit(&job).await.status == 202).then_some(()) }).await;
}

#[tokio::test]
async fn a_user_of_whom_too_many_jobs_wait_gets_no_further_ones_until_they_are_decided() {
    let setup = Setup::new().api_env("SATCHEL_PLAYER_JOBS_PER_SECOND", "0").workers(0);
    let satchel = setup.api_env("SATCHEL_PLAYER_UNDECIDED_JOBS", "2000").start().await;
    let (game, player) = (satchel.game(), satchel.player("u1"));
    let key = json!({"type": "use_item", "userId": "u1", "itemId": "arrow", "idempotencyKey": "k1"});
    let kept = player.submit(&key).await.expect(202).job_id();
    for _ in 0..2 {
        game.submit(&json!(vec![reward_pieces("u1", "arrow", 1); 1_000])).await.expect(202);
    }
    assert_waits(&player.submit(&use_item("u1", "arrow", 1)).await, 1);
    let entries = player.submit(&uses("u1", 3)).await.expect(202).json();
    assert_eq!(entries["jobs"][2]["problem"]["status"], 429, "{entries}");
    // A repetition is none the more; a service may bring more; other players have nothing to do with it.
    assert_eq!(player.submit(&key).await.expect(202).job_id(), kept);
    game.submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
    satchel.player("u2").submit(&use_item("u2", "arrow", 1)).await.expect(202);
    satchel.start_worker();
    may_go_on(&satchel, "u1").await;
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn jobs_that_are_held_behind_a_parked_one_count_as_waiting() {
    let setup = Setup::new().api_env("SATCHEL_PLAYER_UNDECIDED_JOBS", "2000").brisk();
    let satchel = setup.worker_env("SATCHEL_JOB_ATTEMPTS", "1").start().await;
    poison::lay(&satchel);
    let game = satchel.game();
    let parked = game.submit(&poison::poisonous(reward_pieces("u1", "arrow", 1))).await.expect(202).job_id();
    satchel.status_becomes(&parked, "parked").await;
    let mut chain = vec![parked.clone()];
    for _ in 0..2 {
        let held = json!(vec![reward_pieces("u1", "arrow", 1); 1_000]);
        chain.extend(game.submit(&held).await.expect(202).job_ids());
    }
    let blocked = || satchel.database.owner.number("SELECT count(*) FROM parked_jobs") == 2_001;
    wait::until_true("all are blocked", blocked).await;
    // What waited counts until it is known to be decided or parked: so it is when this other user of the shard, whose jobs
    // came later, may go on.
    let neighbour = &neighbours("u1", 1)[0];
    for _ in 0..2 {
        game.submit(&json!(vec![reward_pieces(neighbour, "arrow", 1); 1_000])).await.expect(202);
    }
    may_go_on(&satchel, neighbour).await;
    assert_waits(&satchel.player("u1").submit(&use_item("u1", "arrow", 1)).await, 1);
    poison::clear(&satchel);
    satchel.retry(&parked).await.expect(202);
    may_go_on(&satchel, "u1").await;
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_players_array_is_a_small_one() {
    let satchel = Satchel::start().await;
    let player = satchel.player("u1");
    assert_eq!(player.submit(&uses("u1", 101)).await.pointers(), [""]);
    player.submit(&uses("u1", 100)).await.expect(202);
    satchel.game().submit(&uses("u1", 101)).await.expect(202);
    invariants::check(&satchel).await;
}
