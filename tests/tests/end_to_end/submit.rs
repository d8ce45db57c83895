//! Submitting one job, until its outcome.

use std::collections::HashSet;

use satchel_testkit::job::{reward, reward_pieces, use_item};
use satchel_testkit::{Satchel, Setup};
use satchel_tests::invariants;
use serde_json::{Value, json};

#[tokio::test]
async fn a_game_server_rewards_items_and_a_game_client_uses_one() {
    let satchel = Satchel::start().await;
    let (game, player) = (satchel.game(), satchel.player("u1"));

    let answer = game.submit(&reward("u1", json!(["welcome_chest", "key"]))).await.expect(202);
    assert_eq!(answer.json()["status"], "queued");
    assert_eq!(answer.header("Location"), format!("/api/v1/jobs/{}", answer.job_id()));
    assert!(!answer.header("X-Request-Id").is_empty());
    let job = satchel.finished(&answer.job_id()).await;
    assert_eq!(job["status"], "applied");
    assert_eq!(
        job["result"],
        json!({"granted": [{"itemId": "welcome_chest", "quantity": 1, "balance": 1},
                           {"itemId": "key", "quantity": 1, "balance": 1}], "skipped": []})
    );

    let mut quest = reward_pieces("u1", "gold", 500);
    quest["reason"] = json!("quest:42");
    let quest = game.submit(&quest).await.expect(202).job_id();
    satchel.finished(&quest).await;

    let answer = player.submit(&use_item("u1", "welcome_chest", 1)).await.expect(202);
    let job = satchel.finished(&answer.job_id()).await;
    assert_eq!(
        job["result"],
        json!({"consumed": {"itemId": "welcome_chest", "quantity": 1, "balance": 0},
               "effects": [{"granted": {"itemId": "gold", "quantity": 120, "balance": 620}}]})
    );

    let inventory = player.get("/api/v1/users/u1/inventory").await.expect(200).json();
    assert_eq!(inventory["version"], 5);
    assert_eq!(satchel.holdings("u1").await, [("gold".to_owned(), 620), ("key".to_owned(), 1)]);
    let history = player.get(&format!("/api/v1/users/u1/history?jobId={quest}")).await.expect(200).json();
    assert_eq!(history["entries"][0]["reason"], "quest:42");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_job_is_queued_until_a_worker_has_applied_it() {
    let satchel = Setup::new().workers(0).start().await;
    let job_id = satchel.game().submit(&reward("u1", json!(["key"]))).await.expect(202).job_id();
    let path = format!("/api/v1/jobs/{job_id}");

    let queued = satchel.operator().get(&path).await.expect(200).json();
    assert_eq!(queued["jobId"], job_id.as_str());
    assert_eq!(queued["type"], "reward_inventory_item");
    assert_eq!(queued["userId"], "u1");
    assert_eq!(queued["status"], "queued");
    assert!(is_utc(&queued["submittedAt"]), "{queued}");
    assert!(queued["appliedAt"].is_null() && queued["result"].is_null(), "{queued}");
    assert_eq!(queued["attempts"], 0);

    satchel.start_worker();
    let applied = satchel.finished(&job_id).await;
    assert_eq!(applied["status"], "applied");
    assert_eq!(applied["submittedAt"], queued["submittedAt"]);
    assert!(is_utc(&applied["appliedAt"]), "{applied}");
    assert_eq!(applied["attempts"], 1);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn an_unknown_job_is_not_found() {
    let satchel = Setup::new().workers(0).start().await;
    for id in ["00000000-0000-7000-8000-000000000000", "not-a-job", "%27"] {
        for caller in [satchel.operator(), satchel.game(), satchel.player("u1")] {
            caller.get(&format!("/api/v1/jobs/{id}")).await.problem(404);
        }
    }
    invariants::check(&satchel).await;
}

fn is_utc(time: &Value) -> bool {
    let text = time.as_str().unwrap_or_default();
    text.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(text).is_ok()
}

#[tokio::test]
async fn a_caller_may_wait_for_the_outcome() {
    let satchel = Satchel::start().await;
    let answer = satchel.game().submit_and_wait(&reward("u1", json!(["key"]))).await.expect(200);
    assert_eq!(answer.header("Preference-Applied"), "wait=30");
    let job = answer.json();
    assert_eq!((&job["status"], &job["userId"]), (&json!("applied"), &json!("u1")));
    assert_eq!(job["result"]["granted"][0]["itemId"], "key");
    assert_eq!(satchel.finished(&answer.job_id()).await, job);

    let rejected = satchel.player("u1").submit_and_wait(&use_item("u1", "potion", 1)).await.expect(200);
    assert_eq!(rejected.json()["result"]["code"], "insufficient_quantity");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn waiting_in_vain_is_answered_with_202_and_the_job_is_still_applied() {
    let satchel = Setup::new().workers(0).start().await;
    let job = reward("u1", json!(["key"]));
    let answer = satchel.game().submit_with(&job, &[("Prefer", "wait=1")]).await.expect(202);
    assert_eq!(answer.json()["status"], "queued");
    satchel.start_worker();
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn the_same_key_with_the_same_job_is_the_same_job() {
    let satchel = Setup::new().workers(0).start().await;
    let game = satchel.game();
    let job = reward_pieces("u1", "gold", 5);

    let first = game.submit_under("order 1", &job).await.expect(202);
    assert_eq!(first.header("Idempotent-Replayed"), "");
    let queued = game.submit_under("order 1", &job).await.expect(202);
    assert_eq!(queued.job_id(), first.job_id());
    assert_eq!(queued.header("Idempotent-Replayed"), "true");

    satchel.start_worker();
    satchel.finished(&first.job_id()).await;
    let applied = game.submit_under("order 1", &job).await;
    assert!(matches!(applied.status, 200 | 202), "{applied:?}");
    assert_eq!(applied.job_id(), first.job_id());
    assert_eq!(applied.header("Idempotent-Replayed"), "true");

    let mut in_the_body = job.clone();
    in_the_body["idempotencyKey"] = json!("order 1");
    assert_eq!(game.submit(&in_the_body).await.job_id(), first.job_id());
    let spelled_otherwise = json!({"items": [{"quantity": 5, "itemId": "gold"}], "userId": "u1",
                                   "type": "reward_inventory_item"});
    assert_eq!(game.submit_under("order 1", &spelled_otherwise).await.job_id(), first.job_id());

    assert_eq!(satchel.holdings("u1").await, [("gold".to_owned(), 5)]);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_replay_may_wait_for_the_outcome_too() {
    let satchel = Satchel::start().await;
    let job = reward_pieces("u1", "gold", 5);
    let headers = [("Idempotency-Key", "k"), ("Prefer", "wait=30")];
    let first = satchel.game().submit_with(&job, &headers).await.expect(200);
    let second = satchel.game().submit_with(&job, &headers).await.expect(200);
    assert_eq!(second.header("Idempotent-Replayed"), "true");
    assert_eq!(first.json(), second.json());
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn the_same_key_with_another_job_is_refused_before_and_after_it_is_applied() {
    let satchel = Setup::new().workers(0).start().await;
    let game = satchel.game();
    let first = game.submit_under("k", &reward_pieces("u1", "gold", 5)).await.expect(202).job_id();

    for other in [reward_pieces("u1", "gold", 6), use_item("u1", "gold", 5)] {
        let _ = game.submit_under("k", &other).await.problem(422);
    }
    satchel.start_worker();
    satchel.finished(&first).await;
    for other in [reward_pieces("u1", "gold", 6), use_item("u1", "gold", 5)] {
        let _ = game.submit_under("k", &other).await.problem(422);
    }
    assert_eq!(satchel.holdings("u1").await, [("gold".to_owned(), 5)]);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn each_caller_has_keys_of_its_own() {
    let satchel = Satchel::start().await;
    let job = use_item("u1", "arrow", 1);
    satchel.game().submit(&reward_pieces("u1", "arrow", 10)).await.expect(202);
    let callers = [satchel.game(), satchel.service("gams", "items:use"), satchel.player("u1")];
    let mut ids = Vec::new();
    for caller in &callers {
        let answer = caller.submit_under("k", &job).await.expect(202);
        assert_eq!(answer.header("Idempotent-Replayed"), "");
        ids.push(answer.job_id());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), callers.len());
    for id in &ids {
        assert_eq!(satchel.finished(id).await["status"], "applied");
    }
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 7)]);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn without_a_key_each_request_is_a_new_job() {
    let satchel = Satchel::start().await;
    let job = reward_pieces("u1", "gold", 5);
    let first = satchel.game().submit(&job).await.expect(202).job_id();
    let second = satchel.game().submit(&job).await.expect(202).job_id();
    assert_ne!(first, second);
    satchel.finished(&second).await;
    assert_eq!(satchel.holdings("u1").await, [("gold".to_owned(), 10)]);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_key_is_the_callers_and_the_users() {
    let satchel = Satchel::start().await;
    let mut ids = HashSet::new();
    for user_id in ["u1", "u2"] {
        for caller in [satchel.game(), satchel.service("shop", "rewards:write")] {
            let answer = caller.submit_under("k", &reward_pieces(user_id, "gold", 5)).await;
            assert_eq!(answer.status, 202);
            assert!(answer.headers.get("Idempotent-Replayed").is_none(), "{answer:?}");
            ids.insert(answer.job_id());
        }
    }
    assert_eq!(ids.len(), 4);
    invariants::check(&satchel).await;
    for user_id in ["u1", "u2"] {
        assert_eq!(satchel.holdings(user_id).await, [("gold".to_owned(), 10)]);
    }
}

#[tokio::test]
async fn a_key_can_be_made_obligatory() {
    let satchel = Setup::new().api_env("SATCHEL_REQUIRE_IDEMPOTENCY_KEY", "true").start().await;
    let job = reward_pieces("u1", "gold", 5);
    let _ = satchel.game().submit(&job).await.problem(400);
    satchel.game().submit_under("k", &job).await.expect(202);
    let mut in_the_body = job;
    in_the_body["idempotencyKey"] = json!("l");
    satchel.game().submit(&in_the_body).await.expect(202);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn keys_out_of_shape_are_refused() {
    let satchel = Satchel::start().await;
    let job = reward_pieces("u1", "gold", 5);
    for key in [" ".repeat(256), "k".repeat(256), "tab\there".to_owned()] {
        let answer = satchel.game().submit_under(&key, &job).await;
        assert!(matches!(answer.status, 400 | 422), "{key:?}: {answer:?}");
    }
    for key in [json!(""), json!("é"), json!("k".repeat(256)), json!(5)] {
        let mut job = job.clone();
        job["idempotencyKey"] = key;
        assert_eq!(satchel.game().submit(&job).await.pointers(), ["/idempotencyKey"]);
    }
    satchel.game().submit_under(&"k".repeat(255), &job).await.expect(202);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn the_request_id_is_answered_and_recorded() {
    let satchel = Satchel::start().await;
    let headers = [("X-Request-Id", "req-7.a"), ("Prefer", "wait=30")];
    let answer = satchel.game().submit_with(&reward("u1", json!(["key"])), &headers).await.expect(200);
    assert_eq!(answer.header("X-Request-Id"), "req-7.a");
    for odd in ["", "a b", "a/b", &"r".repeat(65)] {
        let headers = [("X-Request-Id", odd)];
        let answer = satchel.game().submit_with(&reward("u1", json!(["key"])), &headers).await.expect(202);
        let given = answer.header("X-Request-Id");
        assert!(!given.is_empty() && given != odd, "{odd:?} was answered by {given:?}");
    }
    let entry = satchel.history("u1", "").await.remove(0);
    assert_eq!(entry["requestId"], "req-7.a");
    assert_eq!(entry["actor"], "service:game");
    invariants::check(&satchel).await;
}
