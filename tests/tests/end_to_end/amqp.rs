//! Events are published to an AMQP broker: each once it is confirmed, each user's in order, whatever the broker does.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use nix::sys::signal::Signal;
use satchel_testkit::job::{reward_pieces, test_catalogue, use_item};
use satchel_testkit::{Message, Satchel, Setup, TestRabbit, load, soak, wait};
use satchel_tests::invariants;
use serde_json::{Value, json};

/// The exchange where no other is set.
const DEFAULT_EXCHANGE: &str = "satchel.events";

fn setup(url: &str, exchange: &str) -> Setup {
    Setup::new().worker_env("SATCHEL_AMQP_URL", url).worker_env("SATCHEL_AMQP_EXCHANGE", exchange)
}

/// Each user's events, in the order in which they happened.
fn happened(satchel: &Satchel) -> BTreeMap<String, Vec<String>> {
    let events =
        satchel.database.owner.rows("SELECT user_id, coalesce(id, job_id::text) AS id FROM events ORDER BY shard, seq");
    let mut users = BTreeMap::<String, Vec<String>>::new();
    for event in events {
        let text = |name: &str| event[name].as_str().expect("a text").to_owned();
        users.entry(text("user_id")).or_default().push(text("id"));
    }
    users
}

/// Each user's events, in the order in which they arrived first.
fn arrived(messages: &[Message]) -> BTreeMap<String, Vec<String>> {
    let (mut users, mut known) = (BTreeMap::<String, Vec<String>>::new(), HashSet::new());
    for message in messages {
        if known.insert(message.id()) {
            let user_id = message.body["subject"].as_str().expect("a user").to_owned();
            users.entry(user_id).or_default().push(message.id().to_owned());
        }
    }
    users
}

fn ids(messages: &[Message]) -> HashSet<&str> {
    messages.iter().map(Message::id).collect()
}

async fn runs_succeed(satchel: &Satchel, count: usize) {
    wait::until_true(&format!("{count} runs succeed"), || {
        let succeeded = "SELECT count(*) FROM function_runs WHERE status = 'succeeded'";
        usize::try_from(satchel.database.owner.number(succeeded)) == Ok(count)
    })
    .await;
}

/// The event as the API tells it, and as it arrived, say the same.
fn assert_told(event: &Value, message: &Message) {
    let (body, properties, name) = (&message.body, &message.properties, event["name"].as_str().expect("a name"));
    let source = match event["source"].as_str().expect("a source") {
        "satchel" => "/satchel".to_owned(),
        sender => format!("/satchel/{sender}"),
    };
    let time = |value: &Value| value.as_str().expect("a time").parse::<DateTime<Utc>>().expect("RFC 3339");
    let happened = time(event.get("occurredAt").unwrap_or(&event["at"]));
    assert_eq!(time(&body["time"]), happened);
    let expected = json!({
        "specversion": "1.0", "id": event["id"], "source": source, "type": name, "time": body["time"],
        "subject": event["userId"], "datacontenttype": "application/json", "eventversion": event["version"],
        "shard": event["shard"], "sequence": event["sequence"], "data": event["data"],
    });
    assert_eq!(*body, expected);
    assert_eq!(message.key, name.replace('/', "."));
    let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string);
    assert_eq!(text(properties.content_type()).as_deref(), Some("application/cloudevents+json"));
    assert_eq!(text(properties.message_id()).as_deref(), event["id"].as_str());
    assert_eq!(text(properties.kind()).as_deref(), Some(name));
    assert_eq!(*properties.delivery_mode(), Some(2), "persistent");
    assert_eq!(*properties.timestamp(), u64::try_from(happened.timestamp()).ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_arrive_once_as_cloud_events_in_each_users_order() {
    const EXCHANGE: &str = "cloud.events";
    const QUEUE: &str = "all cloud events";
    let rabbit = TestRabbit::shared().await;
    rabbit.declare(EXCHANGE).await;
    rabbit.bind(QUEUE, EXCHANGE, "#").await;
    rabbit.bind("uses", EXCHANGE, "item.used").await;
    let satchel = setup(&rabbit.url(), EXCHANGE).start().await;
    let mut catalogue = test_catalogue();
    catalogue["events"] = json!({"planet/completed": {"description": "A planet is completed", "schema": {}}});
    satchel.publish(&catalogue).await;
    load::start(&satchel, 10).join_all().await;
    let sent = json!({"id": "e1", "name": "planet/completed", "userId": "player-0", "at": "2026-01-31T12:00:00.5Z",
                      "data": {"planetId": "mars"}});
    satchel.game().tell(&sent).await.expect(202);
    satchel.game().submit(&use_item("player-1", "vault", 1)).await.expect(202);
    let count = 2 * 10 * load::PLAYERS + 2;

    runs_succeed(&satchel, count).await;
    let messages = rabbit.take(QUEUE).await;
    assert_eq!(messages.len(), count, "each arrives once");
    assert_eq!(arrived(&messages), happened(&satchel));
    let uses = rabbit.take("uses").await;
    assert_eq!(uses.len(), 10 * load::PLAYERS);
    assert!(uses.iter().all(|message| message.key == "item.used"));

    let told = satchel.operator().get("/api/v1/events?limit=500").await.expect(200).json();
    let told = told["events"].as_array().expect("events");
    for message in &messages {
        let event = told.iter().find(|event| event["id"] == message.id()).expect("an event that happened");
        assert_told(event, message);
    }
    let of_game = messages.iter().find(|message| message.id() == "e1").expect("the game's own event");
    assert_eq!((&of_game.body["source"], of_game.key.as_str()), (&json!("/satchel/service:game"), "planet.completed"));
    assert!(messages.iter().any(|message| message.key == "job.rejected"));
    let attempts = satchel.database.owner.number("SELECT sum(attempts) FROM function_runs");
    assert_eq!(usize::try_from(attempts), Ok(count), "none was tried again");
    assert!(!satchel.worker_output().contains("password-of-the-tests"));
    assert!(satchel.stop_worker(Signal::SIGTERM).success(), "a worker with a connection ends in order");
    invariants::check(&satchel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_no_queue_is_bound_for_waits_for_one() {
    const EXCHANGE: &str = "bound.late";
    const QUEUE: &str = "all that was bound late";
    let rabbit = TestRabbit::shared().await;
    let satchel = setup(&rabbit.url(), EXCHANGE).start().await;
    let jobs = [reward_pieces("u1", "arrow", 1), use_item("u1", "arrow", 1)];
    satchel.game().submit(&json!(jobs)).await.expect(202);
    let why = wait::until("an attempt has failed", || async {
        let failed = "SELECT failures FROM function_runs WHERE event_name = 'item/rewarded' AND tries > 0";
        satchel.database.owner.rows(failed).pop()
    })
    .await;
    let why = why["failures"][0]["error"].as_str().expect("an error").to_owned();
    assert!(why.contains("no queue is bound") && why.contains("item.rewarded"), "{why}");
    let begun = "SELECT attempts FROM function_runs WHERE event_name = 'item/used'";
    assert_eq!(satchel.database.owner.number(begun), 0, "the user's later event waits");

    // The worker has made the exchange.
    rabbit.bind(QUEUE, EXCHANGE, "#").await;
    let messages = rabbit.take_until(QUEUE, |messages| messages.len() >= 2).await;
    let keys: Vec<&str> = messages.iter().map(|message| message.key.as_str()).collect();
    assert_eq!(keys, ["item.rewarded", "item.used"]);
    runs_succeed(&satchel, 2).await;
    assert!(rabbit.take(QUEUE).await.is_empty(), "each arrives once");
    // What is returned is not told in the log.
    assert!(!satchel.worker_output().contains("BasicReturnMessage"));
    invariants::check(&satchel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_under_load_gets_every_event_in_order_when_it_is_back_however_long() {
    const QUEUE: &str = "everything";
    let rabbit = TestRabbit::start().await;
    rabbit.declare(DEFAULT_EXCHANGE).await;
    rabbit.bind(QUEUE, DEFAULT_EXCHANGE, "#").await;
    let satchel = Setup::new().worker_env("SATCHEL_AMQP_URL", &rabbit.url()).start().await;
    let kills = soak::rounds(1, 3);
    let rounds = 10 * kills;
    let players = load::start(&satchel, rounds);
    let mut messages = Vec::new();
    for kill in 0..kills {
        // Each in the middle of ten rounds: some have arrived since, others have not.
        load::accepted(&satchel, (10 * kill + 4) * 2 * load::PLAYERS).await;
        messages.extend(rabbit.take_until(QUEUE, |messages| !messages.is_empty()).await);
        rabbit.kill();
        rabbit.start_again().await;
    }
    players.join_all().await;
    let count = 2 * rounds * load::PLAYERS;
    let known = messages.clone();
    let all = |more: &[Message]| ids(&known).union(&ids(more)).count() == count;
    messages.extend(rabbit.take_until(QUEUE, all).await);
    runs_succeed(&satchel, count).await;
    messages.extend(rabbit.take(QUEUE).await);
    assert_eq!(arrived(&messages), happened(&satchel));
    let again = satchel.database.owner.number("SELECT count(*) FROM function_runs WHERE attempts > 1");
    assert!(again > 0, "the broker was away when it was needed");
    invariants::check(&satchel).await;
    load::assert_all_applied(&satchel, rounds);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_by_tls_must_have_a_certificate_that_the_system_trusts() {
    const EXCHANGE: &str = "by.tls";
    const QUEUE: &str = "all by TLS";
    let rabbit = TestRabbit::shared().await;
    rabbit.declare(EXCHANGE).await;
    rabbit.bind(QUEUE, EXCHANGE, "#").await;
    let setup = || setup(&rabbit.tls_url(), EXCHANGE);
    let strict = setup().start().await;
    strict.game().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
    let why = wait::until("an attempt has failed", || async {
        strict.database.owner.rows("SELECT failures FROM function_runs WHERE tries > 0").pop()
    })
    .await;
    let why = why["failures"][0]["error"].as_str().expect("an error").to_owned();
    assert!(why.contains("certificate"), "{why}");
    assert!(rabbit.take(QUEUE).await.is_empty());

    let authority = rabbit.authority();
    let trusting = setup().worker_env("SSL_CERT_FILE", authority.to_str().expect("a path")).start().await;
    trusting.game().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
    runs_succeed(&trusting, 1).await;
    assert_eq!(rabbit.take(QUEUE).await.len(), 1);
    invariants::check(&trusting).await;
}
