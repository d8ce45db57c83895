//! Webhooks: what happens is posted to those who want it, signed, and a receiver in trouble troubles nobody else.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;
use satchel_tests::job::reward;
use satchel_tests::receiver::{Received, Receiver, Reply};
use satchel_tests::{Answer, Satchel, Setup, invariants, wait};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

const LOOPBACK: &str = "127.0.0.0/8,::1/128";

async fn start() -> Satchel {
    allowing(LOOPBACK).await
}

async fn allowing(networks: &str) -> Satchel {
    Setup::new()
        .worker_env("SATCHEL_WEBHOOKS", "on")
        .worker_env("SATCHEL_OUTBOUND_ALLOW", networks)
        .api_env("SATCHEL_OUTBOUND_ALLOW", LOOPBACK)
        .start()
        .await
}

async fn operate(satchel: &Satchel, method: Method, path: &str, body: Option<Value>) -> Answer {
    let operator = satchel.operator();
    let request = operator.request(method, &format!("/api/v1/webhooks{path}"));
    operator.send(body.into_iter().fold(request, |request, body| request.json(&body))).await
}

/// An endpoint, with its secret.
struct Endpoint {
    id: String,
    secret: String,
}

async fn add(satchel: &Satchel, url: &str, events: &[&str]) -> Endpoint {
    let added = operate(satchel, Method::POST, "", Some(json!({"url": url, "events": events}))).await.expect(201);
    let document = added.json();
    let text = |name: &str| document[name].as_str().expect("text").to_owned();
    assert_eq!(added.header("Location"), format!("/api/v1/webhooks/{}", text("endpointId")));
    Endpoint { id: text("endpointId"), secret: text("secret") }
}

async fn show(satchel: &Satchel, endpoint: &Endpoint) -> Value {
    operate(satchel, Method::GET, &format!("/{}", endpoint.id), None).await.expect(200).json()
}

async fn deliveries(satchel: &Satchel, endpoint: &Endpoint, query: &str) -> Vec<Value> {
    let path = format!("/{}/deliveries{query}", endpoint.id);
    let page = operate(satchel, Method::GET, &path, None).await.expect(200).json();
    page["deliveries"].as_array().expect("deliveries").clone()
}

/// Waits until the endpoint's newest delivery has this status.
async fn last_delivery_is(satchel: &Satchel, endpoint: &Endpoint, status: &str) -> Value {
    wait::until(&format!("the last delivery is {status}"), || async {
        let last = deliveries(satchel, endpoint, "?limit=1").await.pop();
        last.filter(|run| run["status"] == status)
    })
    .await
}

async fn give(satchel: &Satchel, user_id: &str) {
    satchel.game().submit_and_wait(&reward(user_id, json!(["key"]))).await.expect(200);
}

/// Fails the test unless the message is signed with the secret.
fn verify(message: &Received, secret: &str) -> Result<(), String> {
    let mut headers = HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, message.header(name).parse().expect("a value"));
    }
    let webhook = Webhook::new(secret).expect("a secret");
    webhook.verify(message.body.as_bytes(), &headers).map_err(|error| format!("{error:?}"))
}

#[tokio::test]
async fn what_happens_is_posted_signed_to_those_who_want_it() {
    let satchel = start().await;
    let (all, uses) = (Receiver::start(Reply::Status(200)).await, Receiver::start(Reply::Status(204)).await);
    let everything = add(&satchel, &all.url(), &[]).await;
    add(&satchel, &uses.named_url(), &["item/used"]).await;
    give(&satchel, "u1").await;
    let use_chest = json!({"type": "use_item", "userId": "u1", "itemId": "welcome_chest"});
    satchel.game().submit_and_wait(&reward("u1", json!(["welcome_chest"]))).await.expect(200);
    satchel.game().submit_and_wait(&use_chest).await.expect(200);
    let messages = all.gets(3).await;
    uses.gets(1).await;
    assert_eq!(uses.names(), ["item/used"]);
    for message in &messages {
        verify(message, &everything.secret).unwrap();
        assert_eq!(message.header("content-type"), "application/cloudevents+json");
    }
    let first = messages.iter().find(|message| message.body.contains("\"key\"")).expect("the reward");
    let event = first.event();
    assert_eq!((&event["specversion"], &event["source"]), (&json!("1.0"), &json!("/satchel")));
    assert_eq!((&event["type"], &event["subject"]), (&json!("item/rewarded"), &json!("u1")));
    let told = satchel.operator().get("/api/v1/events?name=item/rewarded").await.expect(200).json();
    assert!(told["events"].as_array().expect("events").iter().any(|told| told["id"] == event["id"]));
    let other = Webhook::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_ok();
    assert!(other && verify(first, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_err());
    last_delivery_is(&satchel, &everything, "succeeded").await;
    assert!(deliveries(&satchel, &everything, "?status=failed").await.is_empty());
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn both_secrets_verify_while_one_is_changed() {
    let satchel = start().await;
    let receiver = Receiver::start(Reply::Status(200)).await;
    let endpoint = add(&satchel, &receiver.url(), &[]).await;
    let rotated = operate(&satchel, Method::POST, &format!("/{}/secret", endpoint.id), None).await.expect(200).json();
    let new = rotated["secret"].as_str().expect("a secret");
    assert_ne!(new, endpoint.secret);
    give(&satchel, "u1").await;
    let message = receiver.gets(1).await.remove(0);
    verify(&message, new).unwrap();
    verify(&message, &endpoint.secret).unwrap();
    satchel.database.owner.run("UPDATE webhook_endpoints SET previous_secret_until = now()");
    give(&satchel, "u2").await;
    let message = receiver.gets(2).await.remove(1);
    verify(&message, new).unwrap();
    assert!(verify(&message, &endpoint.secret).is_err());
    let shown = show(&satchel, &endpoint).await;
    assert!(shown.get("secret").is_none() && shown["previousSecretUntil"].is_null(), "{shown}");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn who_asks_for_time_gets_it() {
    let satchel = start().await;
    let receiver = Receiver::start(Reply::Status(200)).await;
    receiver.answer([Reply::With(429, "Retry-After", "8".into()), Reply::Status(200)]);
    let endpoint = add(&satchel, &receiver.url(), &[]).await;
    give(&satchel, "u1").await;
    let messages = receiver.gets(2).await;
    let waited = messages[1].at - messages[0].at;
    // Clocks are read some moments apart.
    assert!(waited >= Duration::from_millis(7_500), "{waited:?}");
    assert_eq!(messages[0].header("webhook-id"), messages[1].header("webhook-id"));
    verify(&messages[1], &endpoint.secret).unwrap();
    let run = last_delivery_is(&satchel, &endpoint, "succeeded").await;
    assert_eq!((&run["attempts"], run["failures"].as_array().map(Vec::len)), (&json!(2), Some(1)), "{run}");
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
    assert_eq!((&event["data"]["endpointId"], &event["data"]["url"]), (&json!(endpoint.id), &json!(gone.url())));
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
async fn a_redirect_is_not_followed() {
    let satchel = start().await;
    let target = Receiver::start(Reply::Status(200)).await;
    let receiver = Receiver::start(Reply::With(302, "Location", target.url())).await;
    let endpoint = add(&satchel, &receiver.url(), &[]).await;
    give(&satchel, "u1").await;
    let run = last_delivery_is(&satchel, &endpoint, "retrying").await;
    assert!(run["failures"][0]["error"].as_str().is_some_and(|error| error.contains("not followed")), "{run}");
    assert!(target.received().is_empty());
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn nothing_is_sent_to_addresses_that_are_not_permitted() {
    let satchel = allowing("192.0.2.1/32").await;
    let receiver = Receiver::start(Reply::Status(200)).await;
    let mapped = receiver.url().replace("127.0.0.1", "[::ffff:127.0.0.1]");
    for url in [receiver.url(), receiver.named_url(), mapped] {
        let endpoint = add(&satchel, &url, &["item/rewarded"]).await;
        give(&satchel, "u1").await;
        let run = last_delivery_is(&satchel, &endpoint, "failed").await;
        assert_eq!(run["attempts"], 1, "{run}");
        assert!(run["failures"][0]["error"].as_str().is_some_and(|error| error.contains("OUTBOUND_ALLOW")), "{run}");
        operate(&satchel, Method::DELETE, &format!("/{}", endpoint.id), None).await.expect(204);
    }
    assert!(receiver.received().is_empty());
    for url in ["http://10.0.0.1/", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/", "http://[fd00:ec2::254]/"] {
        let refused = operate(&satchel, Method::POST, "", Some(json!({"url": url}))).await;
        assert_eq!(refused.expect(422).pointers(), ["/url"], "{url}");
    }
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
    wait::until_true("the others are put off", || {
        satchel.database.owner.number("SELECT count(*) FROM function_runs WHERE status = 'sleeping'") >= 10
    })
    .await;
    let attempts = fails.received().len();
    assert!(attempts < 12, "{attempts} attempts at an endpoint that fails");
    let uncounted = "SELECT count(*) FROM function_runs WHERE status = 'sleeping' AND attempts = 0 AND tries = 0";
    assert!(satchel.database.owner.number(uncounted) >= 5, "what is put off is no attempt");
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
async fn a_ping_comes_to_its_endpoint_alone_and_a_delivery_can_be_repeated() {
    let satchel = start().await;
    let (receiver, other) = (Receiver::start(Reply::Status(200)).await, Receiver::start(Reply::Status(200)).await);
    let endpoint = add(&satchel, &receiver.url(), &["item/used"]).await;
    let all = add(&satchel, &other.url(), &[]).await;
    let path = format!("/{}", endpoint.id);
    let pinged = operate(&satchel, Method::POST, &format!("{path}/ping"), None).await.expect(202).json();
    let message = receiver.gets(1).await.remove(0);
    assert_eq!(message.header("webhook-id"), pinged["runId"]);
    let event = message.event();
    assert_eq!((&event["type"], &event["data"]["endpointId"]), (&json!("webhook/ping"), &json!(endpoint.id)));
    verify(&message, &endpoint.secret).unwrap();
    let run = last_delivery_is(&satchel, &endpoint, "succeeded").await;
    assert_eq!((&run["runId"], &run["eventName"]), (&pinged["runId"], &json!("webhook/ping")));

    let again = format!("deliveries/{}/redeliver", pinged["runId"].as_str().expect("an id"));
    operate(&satchel, Method::POST, &format!("{path}/{again}"), None).await.expect(202);
    let repeated = receiver.gets(2).await.remove(1);
    assert_eq!((repeated.header("webhook-id"), &repeated.body), (message.header("webhook-id"), &message.body));
    operate(&satchel, Method::POST, &format!("/{}/{again}", all.id), None).await.problem(404);
    last_delivery_is(&satchel, &endpoint, "succeeded").await;

    // Pages of the log.
    operate(&satchel, Method::POST, &format!("{path}/ping"), None).await.expect(202);
    receiver.gets(3).await;
    let page = operate(&satchel, Method::GET, &format!("{path}/deliveries?limit=1"), None).await.expect(200).json();
    let cursor = page["nextCursor"].as_str().expect("a cursor");
    let rest = deliveries(&satchel, &endpoint, &format!("?cursor={cursor}")).await;
    assert_eq!((rest.len(), &rest[0]["runId"]), (1, &pinged["runId"]));
    assert!(other.received().is_empty());
    let actions = satchel.actions().await;
    let actions: Vec<_> = actions.iter().map(|action| action["action"].as_str().expect("text")).collect();
    assert_eq!(actions, ["ping-webhook", "redeliver-webhook", "ping-webhook", "add-webhook", "add-webhook"]);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn only_operators_manage_webhooks() {
    let satchel = start().await;
    let endpoint = add(&satchel, "https://example.com/hook", &["item/used"]).await;
    let one = format!("/api/v1/webhooks/{}", endpoint.id);
    let run = "00000000-0000-8000-8000-000000000000";
    let requests = [
        (Method::GET, "/api/v1/webhooks".to_owned()),
        (Method::POST, "/api/v1/webhooks".to_owned()),
        (Method::GET, one.clone()),
        (Method::PATCH, one.clone()),
        (Method::DELETE, one.clone()),
        (Method::POST, format!("{one}/secret")),
        (Method::POST, format!("{one}/ping")),
        (Method::GET, format!("{one}/deliveries")),
        (Method::POST, format!("{one}/deliveries/{run}/redeliver")),
    ];
    for (method, path) in requests {
        for (caller, status) in [(satchel.player("u1"), 403), (satchel.game(), 403), (satchel.anyone(), 401)] {
            let request = caller.request(method.clone(), &path).json(&json!({"url": "https://example.com/"}));
            caller.send(request).await.problem(status);
        }
    }
    let unknown = "/01234567-0000-7000-8000-000000000000";
    for (method, path, body) in [
        (Method::GET, unknown.to_owned(), None),
        (Method::GET, "/odd".to_owned(), None),
        (Method::PATCH, unknown.to_owned(), Some(json!({"enabled": true}))),
        (Method::DELETE, unknown.to_owned(), None),
        (Method::POST, format!("{unknown}/secret"), None),
        (Method::POST, format!("{unknown}/ping"), None),
        (Method::GET, format!("{unknown}/deliveries"), None),
        (Method::POST, format!("/{}/deliveries/{run}/redeliver", endpoint.id), None),
    ] {
        operate(&satchel, method, &path, body).await.problem(404);
    }
    let odd = json!({"url": "ftp://x/", "events": ["Odd"], "enabled": "yes", "colour": "red"});
    let refused = operate(&satchel, Method::PATCH, &format!("/{}", endpoint.id), Some(odd)).await.expect(422);
    assert_eq!(refused.pointers(), ["/colour", "/enabled", "/events/0", "/url"]);
    let shown = show(&satchel, &endpoint).await;
    assert_eq!((&shown["url"], &shown["events"]), (&json!("https://example.com/hook"), &json!(["item/used"])));
    let listed = operate(&satchel, Method::GET, "", None).await.expect(200).json();
    assert_eq!(listed["endpoints"], json!([shown]));
    invariants::check(&satchel).await;
}
