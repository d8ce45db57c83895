//! What was accepted once is a repetition, whatever today's rules say of it.

use std::sync::atomic::{AtomicU32, Ordering};

use satchel_testkit::job::test_catalogue;
use satchel_testkit::{Satchel, Setup, wait};
use satchel_tests::invariants;
use serde_json::{Value, json};

/// The catalogue with an event that has such a schema.
fn with_schema(schema: &Value) -> Value {
    let mut catalogue = test_catalogue();
    catalogue["events"] = json!({"planet/completed": {"schema": schema}});
    catalogue["rules"] =
        json!([{"id": "star", "on": "planet/completed", "grant": [{"itemId": "gold", "quantity": 50}]}]);
    catalogue
}

fn lax() -> Value {
    with_schema(&json!({}))
}

fn strict() -> Value {
    with_schema(&json!({"required": ["xp"]}))
}

/// One that fits the lax catalogue only.
fn event(id: &str, planet: u32) -> Value {
    json!({"id": id, "name": "planet/completed", "userId": "u1", "data": {"planet": planet}})
}

/// That a first event is a repetition by the catalogue in force, which refuses all like it.
async fn check_repeated(satchel: &Satchel, job_id: &str, status: &str, why: &[&str]) {
    let game = satchel.game();
    let again = game.tell(&event("first", 1)).await;
    assert!(matches!(again.status, 200 | 202), "{again:?}");
    assert_eq!((again.header("Idempotent-Replayed"), again.job_id().as_str()), ("true", job_id));
    assert_eq!(again.json()["status"], status);
    assert_eq!(game.tell(&event("first", 2)).await.pointers(), ["/id"], "another event of that name");
    // For a moment the API goes by the catalogue before.
    let probes = AtomicU32::new(0);
    wait::until("the catalogue in force is the API's", || async {
        let mut probe = event(&format!("probe-{why:?}-{}", probes.fetch_add(1, Ordering::Relaxed)), 1);
        probe["userId"] = json!("probe");
        (game.tell(&probe).await.status == 422).then_some(())
    })
    .await;
    for _ in 0..2 {
        // Neither does asking once make it known.
        assert_eq!(game.tell(&event("new", 1)).await.pointers(), why);
    }
    let many = json!([event("new", 1), event("first", 1), event("first", 2), event("new", 1)]);
    let answer = game.tell(&many).await.expect(202).json();
    let entries = answer["events"].as_array().expect("entries");
    assert_eq!(entries[1]["jobId"], job_id, "{answer}");
    assert_eq!((&entries[1]["status"], &entries[1]["idempotentReplayed"]), (&json!(status), &json!(true)));
    assert_eq!(entries[2]["problem"]["errors"][0]["pointer"], "/2/id", "{answer}");
    for place in [0, 3] {
        let pointer = format!("/{place}{}", why[0]);
        assert_eq!(entries[place]["problem"]["errors"][0]["pointer"], pointer, "{answer}");
    }
}

async fn check_repetitions(satchel: Satchel) {
    satchel.publish(&lax()).await;
    let job_id = satchel.game().tell(&event("first", 1)).await.expect(202).job_id();
    satchel.publish(&strict()).await;
    check_repeated(&satchel, &job_id, "queued", &["/data"]).await;

    satchel.publish(&lax()).await;
    satchel.start_worker();
    let job = satchel.finished(&job_id).await;
    assert_eq!(job["status"], "applied", "{job}");
    satchel.publish(&strict()).await;
    check_repeated(&satchel, &job_id, "applied", &["/data"]).await;
    satchel.publish(&test_catalogue()).await;
    check_repeated(&satchel, &job_id, "applied", &["/name"]).await;
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("gold".to_owned(), 50)]);
}

#[tokio::test]
async fn an_event_that_was_taken_in_is_a_repetition_whatever_the_catalogue_says_now() {
    check_repetitions(Setup::new().workers(0).start().await).await;
}

#[tokio::test]
async fn an_event_that_was_journaled_is_a_repetition_whatever_the_catalogue_says_now() {
    check_repetitions(Setup::new().workers(0).journaled().start().await).await;
}

#[tokio::test]
async fn a_job_that_is_delivered_again_is_a_repetition_whatever_the_catalogue_says_now() {
    let satchel = Setup::new().workers(0).start().await;
    satchel.publish(&lax()).await;
    let job_id = satchel.game().tell(&event("first", 1)).await.expect(202).job_id();
    let stream = satchel.redis.commands.busy_streams().remove(0);
    let again = satchel.redis.commands.first_sealed(&stream);
    satchel.start_worker();
    let job = satchel.finished(&job_id).await;
    assert_eq!(job["status"], "applied", "{job}");

    for catalogue in [strict(), test_catalogue()] {
        satchel.publish(&catalogue).await;
        satchel.redis.commands.add_sealed(&stream, &again);
        wait::until_true("the entry is finished", || satchel.redis.commands.waiting() == 0).await;
        assert_eq!(satchel.finished(&job_id).await, job);
    }
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("gold".to_owned(), 50)]);
}
