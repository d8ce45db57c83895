//! Webhooks: what happens is posted to those who want it, signed, and a receiver in trouble troubles nobody else.

mod managing;
mod sending;
mod slow;
mod telling;
mod trouble;

use reqwest::Method;
use reqwest::header::HeaderMap;
use satchel_testkit::job::reward;
use satchel_testkit::receiver::Received;
use satchel_testkit::{Answer, Satchel, Setup, wait};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

const LOOPBACK: &str = "127.0.0.0/8,::1/128";

async fn start() -> Satchel {
    allowing(LOOPBACK).await
}

async fn allowing(networks: &str) -> Satchel {
    setup(networks).start().await
}

/// Workers may send to these networks.
fn setup(networks: &str) -> Setup {
    Setup::new()
        .worker_env("SATCHEL_WEBHOOKS", "on")
        .worker_env("SATCHEL_OUTBOUND_ALLOW", networks)
        .api_env("SATCHEL_OUTBOUND_ALLOW", LOOPBACK)
        .worker_env("SATCHEL_OUTBOUND_ALLOW_HTTP", "true")
        .api_env("SATCHEL_OUTBOUND_ALLOW_HTTP", "true")
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
