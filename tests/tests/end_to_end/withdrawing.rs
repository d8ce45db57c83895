//! `DELETE /jobs/{jobId}`: what waits can be withdrawn, and exactly one of applied and withdrawn comes true.

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use satchel_testkit::job::{high, not_before, reward_pieces, use_item};
use satchel_testkit::poison::{self, poisonous};
use satchel_testkit::{Answer, Caller, Satchel, Setup};
use satchel_tests::invariants;
use serde_json::{Value, json};

async fn withdraw(caller: &Caller, job_id: &str) -> Answer {
    caller.send(caller.request(Method::DELETE, &format!("/api/v1/jobs/{job_id}"))).await
}

fn tomorrow(job: Value) -> Value {
    not_before(job, Utc::now() + TimeDelta::days(1))
}

#[tokio::test]
async fn what_waits_shows_its_time_and_priority_and_is_withdrawn_by_who_may() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    let job = tomorrow(high(reward_pieces("u1", "arrow", 1)));
    let id = game.submit_under("k", &job).await.expect(202).job_id();
    let status = satchel.job(&id).await;
    assert_eq!((&status["priority"], &status["notBefore"]), (&json!("high"), &job["notBefore"]), "{status}");

    let other = satchel.service("other", "rewards:write inventory:read");
    withdraw(&other, &id).await.problem(403);
    withdraw(&satchel.player("u1"), &id).await.problem(403);
    withdraw(&satchel.player("u2"), &id).await.problem(404);
    withdraw(&game, "01a1fd71-0000-7000-8000-000000000000").await.problem(404);
    withdraw(&game, "no-id").await.problem(404);

    let answer = withdraw(&game, &id).await.expect(200).json();
    assert_eq!((&answer["status"], &answer["result"]["code"]), (&json!("rejected"), &json!("withdrawn")), "{answer}");
    assert_eq!(satchel.redis.commands.leftovers(), Vec::<String>::new());
    withdraw(&game, &id).await.problem(409);
    let again = game.submit_under("k", &job).await.expect(202);
    assert_eq!((again.job_id(), again.header("Idempotent-Replayed")), (id.clone(), "true"));
    assert_eq!(again.json()["status"], "rejected");

    let second = game.submit(&tomorrow(reward_pieces("u1", "arrow", 1))).await.expect(202).job_id();
    withdraw(&satchel.operator(), &second).await.expect(200);
    let actions = satchel.actions().await;
    assert_eq!((&actions[0]["action"], &actions[0]["jobId"]), (&json!("withdraw"), &json!(second)), "{actions:?}");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_job_that_waits_for_a_worker_is_withdrawn_and_never_applied() {
    for journaled in [false, true] {
        let setup = if journaled { Setup::new().journaled() } else { Setup::new() };
        let satchel = setup.workers(0).start().await;
        let jobs =
            json!([reward_pieces("u1", "arrow", 5), reward_pieces("u1", "arrow", 1), use_item("u1", "arrow", 1)]);
        let ids = satchel.game().submit(&jobs).await.expect(202).job_ids();
        withdraw(&satchel.game(), &ids[0]).await.expect(200);
        satchel.start_worker();
        for id in &ids[1..] {
            assert_eq!(satchel.finished(id).await["status"], "applied");
        }
        assert_eq!(satchel.job(&ids[0]).await["result"]["code"], "withdrawn");
        invariants::check(&satchel).await;
        assert!(satchel.holdings("u1").await.is_empty());
    }
}

#[tokio::test]
async fn a_parked_job_is_withdrawn_and_its_players_next_one_goes_on() {
    let satchel = Setup::new().brisk().start().await;
    poison::lay(&satchel);
    let game = satchel.game();
    let parked = game.submit(&poisonous(reward_pieces("u1", "arrow", 2))).await.expect(202).job_id();
    let next = game.submit(&reward_pieces("u1", "arrow", 1)).await.expect(202).job_id();
    satchel.status_becomes(&parked, "parked").await;
    withdraw(&game, &parked).await.expect(200);
    assert_eq!(satchel.finished(&next).await["status"], "applied");
    let archived = satchel.database.owner.rows("SELECT job_id, reason FROM archived_jobs");
    assert_eq!((&archived[0]["job_id"], &archived[0]["reason"]), (&json!(parked), &json!("withdrawn")));
    invariants::check(&satchel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_applied_and_withdrawn_exactly_one_comes_true() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    let mut withdrawn = 0;
    for round in 0..40 {
        let user = format!("u{round}");
        // Some are due while somebody withdraws them.
        let job = reward_pieces(&user, "arrow", 1);
        let job = if round % 2 == 0 { not_before(job, Utc::now() + TimeDelta::milliseconds(20)) } else { job };
        let id = game.submit(&job).await.expect(202).job_id();
        let answer = withdraw(&game, &id).await;
        let outcome = satchel.finished(&id).await;
        let (status, held) = match answer.status {
            200 => ("rejected", vec![]),
            409 => ("applied", vec![("arrow".to_owned(), 1)]),
            other => panic!("{other}: {}", answer.text),
        };
        assert_eq!(outcome["status"], status, "{outcome}");
        assert_eq!(satchel.holdings(&user).await, held);
        withdrawn += i32::from(answer.status == 200);
    }
    invariants::check(&satchel).await;
    assert!(withdrawn > 0, "nothing was withdrawn");
}
