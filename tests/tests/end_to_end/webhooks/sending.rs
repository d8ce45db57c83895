//! What is sent, to whom, and how it is signed.

use reqwest::Method;
use satchel_testkit::Certificates;
use satchel_testkit::job::reward;
use satchel_testkit::receiver::{Receiver, Reply};
use satchel_tests::invariants;
use serde_json::json;
use standardwebhooks::Webhook;

use super::{LOOPBACK, add, allowing, deliveries, give, last_delivery_is, operate, setup, show, start, verify};

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
async fn who_is_reached_by_https_must_be_who_it_says() {
    let certificates = Certificates::make();
    let authority = certificates.path("ca.crt");
    let satchel =
        setup(LOOPBACK).worker_env("SATCHEL_OUTBOUND_CA_FILE", authority.to_str().expect("a path")).start().await;
    let receiver = Receiver::start_tls(Reply::Status(200), &certificates).await;
    // The certificate is for the address alone.
    let endpoint = add(&satchel, &receiver.url(), &["item/rewarded"]).await;
    let named = add(&satchel, &receiver.named_url(), &["item/rewarded"]).await;
    give(&satchel, "u1").await;
    verify(&receiver.gets(1).await[0], &endpoint.secret).unwrap();
    let run = last_delivery_is(&satchel, &named, "retrying").await;
    let error = run["failures"][0]["error"].as_str().expect("an error").to_owned();
    assert!(error.contains("certificate"), "{error}");
    assert_eq!(receiver.received().len(), 1);
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
