//! Receivers that hang, fail, ask for time, or are gone.

use std::time::Duration;

use reqwest::Method;
use satchel_testkit::job::reward;
use satchel_testkit::receiver::{Receiver, Reply};
use satchel_testkit::wait;
use satchel_tests::invariants;
use serde_json::{Value, json};

use super::{add, give, last_delivery_is, operate, show, start, verify};

#[tokio::test]
async fn who_asks_for_time_gets_it() {
    let satchel = start().await;
    let receiver = Receiver::start(Reply::Status(200)).await;
    receiver.answer([Reply::With(429, "Retry-After", "8".into()), Reply::Status(200)]);
    let endpoint = add(&satchel, &receiver.url(), &[]).await;
    give(&satchel, "u1").await;
    last_delivery_is(&satchel, &endpoint, "retrying").await;
    assert!(show(&satchel, &endpoint).await["pausedUntil"].is_string());
    // What comes meanwhile waits as well.
    give(&satchel, "u2").await;
    let messages = receiver.gets(3).await;
    let waited = messages[1].at - messages[0].at;
    // Clocks are read some moments apart.
    assert!(waited >= Duration::from_millis(7_500), "{waited:?}");
    let again = messages[1..].iter().find(|message| message.header("webhook-id") == messages[0].header("webhook-id"));
    verify(again.expect("the first one again"), &endpoint.secret).unwrap();
    last_delivery_is(&satchel, &endpoint, "succeeded").await;
    let counted =
        "SELECT string_agg(attempts || ' ' || jsonb_array_length(failures), ', ' ORDER BY user_id) FROM function_runs";
    wait::until_true("both are delivered", || satchel.database.owner.run(counted) == "2 1, 1 0").await;
    assert_eq!(show(&satchel, &endpoint).await["consecutiveFailures"], 0);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn who_is_gone_is_disabled_and_that_is_told() {
    let satchel = start().await;
    let (gone, other) = (Receiver::start(Reply::Status(410)).await, Receiver::start(Reply::Status(200)).await);
    let endpoint = add(&satchel, &gone.url(), &[]).await;
    add(&satchel, &other.url(), &["webhook/disabled"]).await;
    give(&satchel, "u1").await;
    let event = other.gets(1).await[0].event();
    assert_eq!(event["type"], "webhook/disabled");
    let origin = gone.url().replace("/hook", "");
    assert_eq!((&event["data"]["endpointId"], &event["data"]["url"]), (&json!(endpoint.id), &json!(origin)));
    let shown = show(&satchel, &endpoint).await;
    assert_eq!((&shown["enabled"], &shown["disabledReason"]), (&json!(false), &json!("it answered 410 Gone")));
    let run = last_delivery_is(&satchel, &endpoint, "failed").await;
    assert!(run["failures"][0]["error"].as_str().is_some_and(|error| error.contains("410")), "{run}");
    give(&satchel, "u1").await;
    let left = "SELECT count(*) FROM event_cursors JOIN shard_counters USING (shard) WHERE events > dispatched";
    wait::until_true("it is given to those who want it", || satchel.database.owner.number(left) == 0).await;
    let path = format!("/{}", endpoint.id);
    operate(&satchel, Method::POST, &format!("{path}/ping"), None).await.problem(409);
    // Enabled again, it gets what happens from then on.
    gone.answer([Reply::Status(200)]);
    operate(&satchel, Method::PATCH, &path, Some(json!({"enabled": true, "events": ["item/rewarded"]})))
        .await
        .expect(200);
    give(&satchel, "u2").await;
    assert_eq!(gone.gets(2).await[1].event()["subject"], "u2");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_nobody_else() {
    let satchel = start().await;
    let (hangs, fine) = (Receiver::start(Reply::Hang).await, Receiver::start(Reply::Status(200)).await);
    let hanging = add(&satchel, &hangs.url(), &["item/rewarded"]).await;
    // More than are looked at at once wait for the one that hangs, before there is another one.
    let jobs: Vec<Value> = (0..300).map(|n| reward(&format!("u{n}"), json!(["gold"]))).collect();
    for id in satchel.game().submit(&json!(jobs)).await.expect(202).job_ids() {
        satchel.finished(&id).await;
    }
    wait::until_true("all are given to functions", || {
        satchel.database.owner.number("SELECT count(*) FROM function_runs") == 300
    })
    .await;
    add(&satchel, &fine.url(), &["item/rewarded"]).await;
    for n in 0..10 {
        give(&satchel, &format!("v{n}")).await;
        fine.gets(n + 1).await;
    }
    // (If they waited for each other, the three hundred would take a quarter of an hour.)
    assert!(hangs.received().len() < 300, "most of the others still wait");
    operate(&satchel, Method::DELETE, &format!("/{}", hanging.id), None).await.expect(204);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn an_endpoint_that_fails_is_left_alone_and_others_get_everything() {
    let satchel = start().await;
    let (fails, fine) = (Receiver::start(Reply::Status(500)).await, Receiver::start(Reply::Status(200)).await);
    let failing = add(&satchel, &fails.url(), &["item/rewarded"]).await;
    add(&satchel, &fine.url(), &["item/rewarded"]).await;
    for n in 0..20 {
        give(&satchel, &format!("u{n}")).await;
    }
    fine.gets(20).await;
    let shown = wait::until("the breaker opens", || async {
        let shown = show(&satchel, &failing).await;
        shown["pausedUntil"].is_string().then_some(shown)
    })
    .await;
    assert_eq!(shown["enabled"], true);
    let attempts = fails.received().len();
    assert!(attempts < 12, "{attempts} attempts at an endpoint that fails");
    let uncounted = "SELECT count(*) FROM function_runs WHERE finished_at IS NULL AND attempts = 0 AND tries = 0";
    assert!(satchel.database.owner.number(uncounted) >= 5, "what waits is no attempt");
    // When its time has passed, one delivery is let through; then all follow.
    fails.answer([Reply::Status(200)]);
    satchel.database.owner.run("UPDATE webhook_endpoints SET open_until = now() WHERE open_until IS NOT NULL");
    satchel.database.owner.run("UPDATE function_runs SET due_at = now() WHERE finished_at IS NULL");
    wait::until_true("everything is delivered", || {
        satchel
            .database
            .owner
            .run("UPDATE function_runs SET due_at = LEAST(due_at, now() + interval '1 s') WHERE finished_at IS NULL");
        satchel.database.owner.number("SELECT count(*) FROM function_runs WHERE finished_at IS NULL") == 0
    })
    .await;
    let shown = show(&satchel, &failing).await;
    assert_eq!((&shown["consecutiveFailures"], &shown["pausedUntil"]), (&json!(0), &Value::Null));
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn an_endpoint_that_has_failed_for_days_is_disabled() {
    let satchel = start().await;
    let receiver = Receiver::start(Reply::Status(503)).await;
    let endpoint = add(&satchel, &receiver.url(), &[]).await;
    satchel
        .database
        .owner
        .run("UPDATE webhook_endpoints SET consecutive_failures = 4, failing_since = now() - interval '5 days 1 s'");
    give(&satchel, "u1").await;
    wait::until("it is disabled", || async { (show(&satchel, &endpoint).await["enabled"] == false).then_some(()) })
        .await;
    let told = satchel.operator().get("/api/v1/events?name=webhook/disabled").await.expect(200).json();
    assert_eq!(told["events"][0]["data"]["reason"], "nothing but failures for 5 days");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn what_waits_for_an_endpoint_that_an_operator_has_disabled_is_delivered_when_it_is_enabled_again() {
    let satchel = start().await;
    let (receiver, other) = (Receiver::start(Reply::Status(500)).await, Receiver::start(Reply::Status(200)).await);
    let endpoint = add(&satchel, &receiver.url(), &["item/rewarded"]).await;
    give(&satchel, "u1").await;
    last_delivery_is(&satchel, &endpoint, "retrying").await;
    let path = format!("/{}", endpoint.id);
    operate(&satchel, Method::PATCH, &path, Some(json!({"enabled": false}))).await.expect(200);
    receiver.answer([Reply::Status(200)]);
    satchel.database.owner.run("UPDATE function_runs SET due_at = now()");
    add(&satchel, &other.url(), &["item/rewarded"]).await;
    give(&satchel, "u2").await;
    other.gets(1).await;
    assert_eq!(receiver.received().len(), 1, "it is due, and waits");
    operate(&satchel, Method::PATCH, &path, Some(json!({"enabled": true}))).await.expect(200);
    last_delivery_is(&satchel, &endpoint, "succeeded").await;
    assert_eq!(receiver.received()[1].event()["subject"], "u1", "what happened meanwhile is not for it");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_read_to_its_end() {
    let satchel = start().await;
    let receiver = Receiver::start(Reply::Endless).await;
    let endpoint = add(&satchel, &receiver.url(), &[]).await;
    give(&satchel, "u1").await;
    let run = last_delivery_is(&satchel, &endpoint, "succeeded").await;
    assert_eq!((&run["attempts"], receiver.received().len()), (&json!(1), 1), "{run}");
    invariants::check(&satchel).await;
}
