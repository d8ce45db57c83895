//! What operators do about endpoints.

use reqwest::Method;
use satchel_testkit::job::test_catalogue;
use satchel_testkit::receiver::{Receiver, Reply};
use satchel_tests::invariants;
use serde_json::json;

use super::{add, deliveries, last_delivery_is, operate, show, start, verify};

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

const MERGE: &str = "application/merge-patch+json";

#[tokio::test]
async fn an_endpoint_is_changed_by_merge_patches() {
    let satchel = start().await;
    let endpoint = add(&satchel, "https://example.com/hook", &["item/used"]).await;
    let operator = satchel.operator();
    let address = format!("/api/v1/webhooks/{}", endpoint.id);
    let patch = async |media_type: &str, patch: &str| {
        let request = operator.request(Method::PATCH, &address).header("Content-Type", media_type);
        operator.send(request.body(patch.to_owned())).await
    };
    let changed = patch(MERGE, r#"{"description":"all of it","enabled":false,"events":null}"#).await.expect(200).json();
    assert_eq!(
        (&changed["events"], &changed["description"], &changed["enabled"], &changed["url"]),
        (&json!([]), &json!("all of it"), &json!(false), &json!("https://example.com/hook"))
    );
    let changed = patch("application/json", r#"{"description":null,"enabled":null}"#).await.expect(200).json();
    assert_eq!((&changed["description"], &changed["enabled"]), (&json!(""), &json!(true)));
    assert_eq!(patch(MERGE, "{}").await.expect(200).json(), changed);
    assert_eq!(patch(MERGE, r#"{"url":null,"x":null}"#).await.expect(422).pointers(), ["/url", "/x"]);
    patch("application/json", "{}").await.problem(422);
    patch("application/json-patch+json", "[]").await.problem(415);
    assert_eq!(show(&satchel, &endpoint).await, changed);
    let actions = satchel.actions().await;
    assert_eq!(actions.iter().filter(|action| action["action"] == "change-webhook").count(), 2, "{actions:?}");
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
            let problem = caller.send(request).await.problem(status);
            let detail = problem["detail"].as_str().expect("a text");
            assert!(!detail.contains("queue") && (status == 401 || detail.contains("webhooks")), "{detail}");
        }
    }
    let refused = satchel.game().get("/api/v1/events").await.problem(403);
    assert_eq!(refused["detail"], "only operators read events");
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
    let mistyped = json!({"url": "https://example.com/", "events": ["item/used", "item/rewrded", "planet/completed"]});
    let refused = operate(&satchel, Method::POST, "", Some(mistyped)).await;
    assert_eq!(refused.pointers(), ["/events/1", "/events/2"]);
    let odd = json!({"url": "ftp://x/", "events": ["Odd"], "enabled": "yes", "colour": "red"});
    let refused = operate(&satchel, Method::PATCH, &format!("/{}", endpoint.id), Some(odd)).await.expect(422);
    assert_eq!(refused.pointers(), ["/colour", "/enabled", "/events/0", "/url"]);
    let shown = show(&satchel, &endpoint).await;
    assert_eq!((&shown["url"], &shown["events"]), (&json!("https://example.com/hook"), &json!(["item/used"])));
    let listed = operate(&satchel, Method::GET, "", None).await.expect(200).json();
    assert_eq!(listed["endpoints"], json!([shown]));
    // What the catalogue declares, or a use emits, is an event from the moment on when it does.
    let mut catalogue = test_catalogue();
    catalogue["events"] = json!({"planet/completed": {}});
    catalogue["items"]["potion"]["use"] = json!({"effects": [{"emit": "potion/drunk"}]});
    satchel.publish(&catalogue).await;
    let own = json!({"events": ["planet/completed", "potion/drunk", "job/parked"]});
    operate(&satchel, Method::PATCH, &format!("/{}", endpoint.id), Some(own)).await.expect(200);
    invariants::check(&satchel).await;
}
