//! Many at once, and many in a row.

use std::collections::HashSet;
use std::sync::Arc;

use satchel_testkit::job::{reward_pieces, use_item};
use satchel_testkit::{Answer, Caller, Setup, soak};
use satchel_tests::invariants;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Requests on their way at one time: as many connections, on both sides, must fit into the usual limit of files.
const AT_ONCE: usize = 200;
/// Players each of whom gets and uses items as fast as it is answered.
const BACK_TO_BACK: usize = 5;

/// Sends `count` requests side by side and gives their answers.
async fn side_by_side<F, Fut>(count: usize, caller: &Caller, send: F) -> Vec<Answer>
where
    F: Fn(Caller, usize) -> Fut,
    Fut: Future<Output = Answer> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for i in 0..count {
        let (request, permits) = (send(caller.clone(), i), Arc::clone(&permits));
        tasks.spawn(async move {
            let _permit = permits.acquire_owned().await.unwrap();
            request.await
        });
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_copies_of_one_job_have_one_effect() {
    let satchel = Setup::new().workers(2).start().await;
    let answers = side_by_side(1_000, &satchel.game(), |game, _| async move {
        game.submit_under("copy", &reward_pieces("u1", "gold", 5)).await
    })
    .await;

    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 202)), "{answers:?}");
    let ids: HashSet<String> = answers.iter().map(Answer::job_id).collect();
    assert_eq!(ids.len(), 1);
    // One is the original; while it is on its way, or Postgres is too busy to tell, a copy may be taken for it.
    let originals = answers.iter().filter(|answer| answer.header("Idempotent-Replayed").is_empty()).count();
    assert!(originals < 100, "{originals} copies are no replays");
    satchel.finished(&answers[0].job_id()).await;
    assert_eq!(satchel.holdings("u1").await, [("gold".to_owned(), 5)]);
    invariants::check(&satchel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_concurrent_uses_of_a_stack_of_fifty_use_exactly_fifty() {
    let satchel = Setup::new().workers(2).start().await;
    satchel.game().submit_and_wait(&reward_pieces("u1", "potion", 50)).await.expect(200);
    let answers = side_by_side(200, &satchel.player("u1"), |player, _| async move {
        player.submit_and_wait(&use_item("u1", "potion", 1)).await.expect(200)
    })
    .await;

    let outcomes: Vec<Value> = answers.iter().map(Answer::json).collect();
    assert_eq!(outcomes.iter().filter(|job| job["status"] == "applied").count(), 50);
    assert_eq!(outcomes.iter().filter(|job| job["status"] == "rejected").count(), 150);
    assert_eq!(satchel.holdings("u1").await, []);
    invariants::check(&satchel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rewards_and_their_uses_back_to_back_are_never_rejected_however_long() {
    let pairs = soak::rounds(40, 1_000);
    let satchel = Setup::new().workers(2).start().await;
    let mut players = JoinSet::new();
    for number in 0..BACK_TO_BACK {
        let user = format!("u{number}");
        let (game, player) = (satchel.game(), satchel.player(&user));
        players.spawn(async move {
            for _ in 0..pairs {
                game.submit(&reward_pieces(&user, "arrow", 1)).await.expect(202);
                player.submit(&use_item(&user, "arrow", 1)).await.expect(202);
            }
        });
    }
    players.join_all().await;
    invariants::check(&satchel).await;
    let applied = "SELECT count(*) FROM jobs WHERE status = 'applied'";
    assert_eq!(usize::try_from(satchel.database.owner.number(applied)), Ok(BACK_TO_BACK * pairs * 2));
    for number in 0..BACK_TO_BACK {
        assert_eq!(satchel.holdings(&format!("u{number}")).await, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_players_at_once_each_keep_their_own_order() {
    let satchel = Setup::new().workers(2).start().await;
    let answers = side_by_side(100, &satchel.game(), |game, i| async move {
        let user = format!("player-{i}");
        for _ in 0..5 {
            game.submit(&reward_pieces(&user, "arrow", 2)).await.expect(202);
            game.submit(&use_item(&user, "arrow", 2)).await.expect(202);
        }
        game.submit_and_wait(&reward_pieces(&user, "gold", 1)).await
    })
    .await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.json()["status"] == "applied"));
    invariants::check(&satchel).await;
    let rejected = "SELECT count(*) FROM jobs WHERE status <> 'applied'";
    assert_eq!(satchel.database.owner.number(rejected), 0);
}
