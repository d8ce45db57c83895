//! Entries in the queue that no API put there, or that were changed since (docs/FAULTS.md 12, 22, 27).

use chrono::{DateTime, Utc};
use satchel_forms::{Node, Pointer};
use satchel_model::access::{Actor, Role, Scopes};
use satchel_model::ids::{JobId, RequestId};
use satchel_model::operations::Envelope;
use satchel_model::operations::Submission;
use satchel_testkit::job::{reward, reward_pieces};
use satchel_testkit::streams::{seal, seal_as, seal_by};
use satchel_testkit::{ENVELOPE_KEY, Satchel, Setup, wait};
use satchel_tests::invariants;
use satchel_wire::Fresh;
use satchel_wire::envelope::{SealedEnvelope, VERSION};
use serde_json::{Value, json};

const OTHER_KEY: &str = "some other key that is long enough!!";

fn envelope(job: &Value, role: Role, subject: &str) -> Envelope {
    let node = Node::parse(job.to_string().as_bytes()).unwrap();
    Envelope {
        job_id: JobId::from(uuid::Uuid::now_v7()),
        job: Submission::parse(node, Pointer::root()).unwrap().job,
        actor: Actor::new(role, subject, Scopes::all()).unwrap(),
        request_id: RequestId::random(),
        submitted_at: Utc::now(),
        reply_to: None,
        journaled: false,
    }
}

/// A Satchel with one job of `u1` waiting, and the stream that it waits in.
async fn satchel_with_waiting_job() -> (Satchel, String) {
    let satchel = Setup::new().workers(0).start().await;
    satchel.game().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
    let mut streams = satchel.redis.commands.busy_streams();
    assert_eq!(streams.len(), 1);
    (satchel, streams.remove(0))
}

fn quarantined(satchel: &Satchel) -> i64 {
    satchel.database.owner.number("SELECT count(*) FROM quarantined_entries")
}

/// Lets a worker at the queue, and checks that it quarantines `bad` entries and applies the jobs around them.
async fn check_quarantined(satchel: &Satchel, bad: i64, arrows: i64) {
    satchel.game().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
    satchel.start_worker();
    wait::until_true("every bad entry is quarantined", || quarantined(satchel) >= bad).await;
    invariants::check(satchel).await;
    assert_eq!(quarantined(satchel), bad);
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), arrows)]);
    let others = "SELECT count(*) FROM user_names WHERE user_id <> 'u1'";
    assert_eq!(satchel.database.owner.number(others), 0, "a bad entry had an effect");
}

#[tokio::test]
async fn unsigned_wrongly_signed_and_edited_entries_are_quarantined_and_the_rest_goes_on() {
    let (satchel, stream) = satchel_with_waiting_job().await;
    let redis = &satchel.redis.commands;
    let good = redis.first_sealed(&stream);
    let gold_for = |user: &str| envelope(&reward_pieces(user, "gold", 1_000), Role::Service, "game");
    let body = seal_by(OTHER_KEY, &gold_for("u2")).body;

    redis.add(&stream, &[("v", b"1"), ("body", &body)]);
    redis.add(&stream, &[("v", b"1"), ("body", &body), ("mac", b"")]);
    redis.add(&stream, &[("v", b"1"), ("body", &body), ("mac", &[0; 32])]);
    redis.add_sealed(&stream, &seal_by(OTHER_KEY, &gold_for("u2")));
    redis.add_sealed(&stream, &SealedEnvelope { body: body.clone(), ..good.clone() });
    let more: Vec<u8> =
        String::from_utf8(good.body.clone()).unwrap().replace("\"quantity\":1", "\"quantity\":9").into();
    assert_ne!(more, good.body, "the body names its quantity");
    redis.add_sealed(&stream, &SealedEnvelope { body: more, ..good.clone() });
    redis.add_sealed(&stream, &SealedEnvelope { version: 0, ..good.clone() });
    check_quarantined(&satchel, 7, 2).await;
}

#[tokio::test]
async fn garbage_in_a_stream_is_quarantined_and_the_rest_goes_on() {
    let (satchel, stream) = satchel_with_waiting_job().await;
    let redis = &satchel.redis.commands;
    redis.add(&stream, &[("hello", b"world")]);
    redis.add(&stream, &[("v", b"one"), ("body", b"{}"), ("mac", b"x")]);
    redis.add(&stream, &[("v", b"1"), ("body", b"\xff\x00\xfe"), ("mac", b"\x00")]);
    redis.add(&stream, &[("", b""), ("", b"")]);
    redis.add(&stream, &[("v", b"99999999999999999999"), ("body", b"{}"), ("mac", b"")]);
    redis.add(&stream, &[("body", &vec![b'['; 60_000])]);
    check_quarantined(&satchel, 6, 2).await;
}

#[tokio::test]
async fn a_signed_entry_in_another_shards_stream_is_quarantined() {
    let (satchel, stream) = satchel_with_waiting_job().await;
    let other = if stream.contains("s00") { "satchel:{s01}:jobs" } else { "satchel:{s00}:jobs" };
    satchel.redis.commands.copy_entries(&stream, other);
    check_quarantined(&satchel, 1, 2).await;
}

#[tokio::test]
async fn entries_that_come_twice_have_one_effect() {
    let (satchel, stream) = satchel_with_waiting_job().await;
    for _ in 0..3 {
        satchel.redis.commands.copy_entries(&stream, &stream);
    }
    let again = satchel.redis.commands.first_sealed(&stream);
    check_quarantined(&satchel, 0, 2).await;
    // And long after it was applied, too.
    satchel.redis.commands.add_sealed(&stream, &again);
    wait::until_true("the stream is empty", || satchel.redis.commands.waiting() == 0).await;
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 2)]);
}

#[tokio::test]
async fn the_worker_asks_again_who_may_submit_what() {
    let (satchel, stream) = satchel_with_waiting_job().await;
    let stolen = reward_pieces("u1", "gold", 1_000);
    let forged = [
        envelope(&stolen, Role::Player, "u1"),
        envelope(&stolen, Role::Operator, "ops"),
        Envelope {
            actor: Actor::new(Role::Service, "game", Scopes::default()).unwrap(),
            ..envelope(&stolen, Role::Service, "game")
        },
    ];
    for envelope in &forged {
        satchel.redis.commands.add_sealed(&stream, &seal(&satchel, envelope));
    }
    satchel.start_worker();
    for envelope in &forged {
        let job = satchel.finished(&envelope.job_id.to_string()).await;
        assert_eq!((&job["status"], &job["result"]["code"]), (&json!("rejected"), &json!("forbidden")), "{job}");
    }
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 1)]);
}

#[tokio::test]
async fn a_job_id_that_belongs_to_another_job_has_no_second_effect() {
    let (satchel, stream) = satchel_with_waiting_job().await;
    let first = envelope(&reward_pieces("u1", "gold", 1), Role::Service, "game");
    let second =
        Envelope { job: envelope(&reward_pieces("u1", "gold", 7), Role::Service, "game").job, ..first.clone() };
    for envelope in [&first, &second] {
        satchel.redis.commands.add_sealed(&stream, &seal(&satchel, envelope));
    }
    satchel.start_worker();
    let job = satchel.finished(&first.job_id.to_string()).await;
    assert_eq!(job["result"]["granted"][0]["balance"], 1);
    satchel.redis.commands.add_sealed(&stream, &seal(&satchel, &second));
    wait::until_true("the stream is empty", || satchel.redis.commands.waiting() == 0).await;
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 1), ("gold".to_owned(), 1)]);
}

#[tokio::test]
async fn a_job_too_old_to_be_told_from_a_repeated_one_is_rejected() {
    let (satchel, stream) = satchel_with_waiting_job().await;
    let long_ago: DateTime<Utc> = "2001-01-01T00:00:00Z".parse().unwrap();
    let old = Envelope { submitted_at: long_ago, ..envelope(&reward("u1", json!(["key"])), Role::Service, "game") };
    satchel.redis.commands.add_sealed(&stream, &seal(&satchel, &old));
    satchel.start_worker();
    let job = satchel.finished(&old.job_id.to_string()).await;
    assert_eq!((&job["status"], &job["result"]["code"]), (&json!("rejected"), &json!("expired")), "{job}");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn entries_signed_with_the_key_before_the_current_one_still_count() {
    let satchel = Setup::new()
        .workers(0)
        .worker_env("SATCHEL_ENVELOPE_KEY", OTHER_KEY)
        .worker_env("SATCHEL_ENVELOPE_KEY_PREVIOUS", ENVELOPE_KEY)
        .start()
        .await;
    satchel.game().submit(&reward("u1", json!(["key"]))).await.expect(202);
    satchel.start_worker();
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("key".to_owned(), 1)]);
}

#[tokio::test]
async fn a_signed_entry_that_holds_no_valid_job_is_quarantined() {
    let (satchel, stream) = satchel_with_waiting_job().await;
    let good = envelope(&reward_pieces("u1", "arrow", 5), Role::Service, "game");
    let body = String::from_utf8(seal(&satchel, &good).body).unwrap();
    for (part, instead) in [
        ("\"quantity\":5", "\"quantity\":0"),
        ("\"quantity\":5", "\"quantity\":5,\"quantity\":5"),
        ("\"arrow\"", "\"no such id!\""),
        ("\"u1\"", "\"u 1\""),
        ("\"service\"", "\"king\""),
        ("{\"jobId\"", "{\"extra\":1,\"jobId\""),
        ("}", ""),
    ] {
        let wrong = body.replacen(part, instead, 1);
        assert_ne!(wrong, body, "{part} is in the body");
        satchel.redis.commands.add_sealed(&stream, &seal_as(&satchel, 1, wrong.as_bytes()));
    }
    check_quarantined(&satchel, 7, 2).await;
}

#[tokio::test]
async fn an_entry_of_a_newer_form_waits_for_a_newer_worker_and_its_shard_with_it() {
    let (satchel, stream) = satchel_with_waiting_job().await;
    let newer = seal_as(&satchel, VERSION + 1, b"{}");
    check_waits_for_a_newer_worker(&satchel, &stream, &newer).await;
}

#[tokio::test]
async fn a_job_of_an_unknown_type_waits_for_a_newer_worker_and_its_shard_with_it() {
    let (satchel, stream) = satchel_with_waiting_job().await;
    let known = envelope(&reward_pieces("u1", "arrow", 5), Role::Service, "game");
    let body = String::from_utf8(seal(&satchel, &known).body).unwrap();
    let newer = seal_as(&satchel, 1, body.replace("reward_inventory_item", "fly").as_bytes());
    check_waits_for_a_newer_worker(&satchel, &stream, &newer).await;
}

async fn check_waits_for_a_newer_worker(satchel: &Satchel, stream: &str, newer: &SealedEnvelope) {
    let game = satchel.game();
    satchel.redis.commands.add_sealed(stream, newer);
    let behind = game.submit(&reward_pieces("u1", "arrow", 1)).await.expect(202).job_id();
    satchel.start_worker();
    for player in 0..20 {
        game.submit(&reward_pieces(&format!("player-{player}"), "arrow", 1)).await.expect(202);
    }
    wait::until_true("only the shard of the newer entry waits", || satchel.redis.commands.busy_streams() == [stream])
        .await;
    wait::until("what came before the newer entry is applied", || async {
        (satchel.holdings("u1").await == [("arrow".to_owned(), 1)]).then_some(())
    })
    .await;
    assert_eq!(game.get(&format!("/api/v1/jobs/{behind}")).await.expect(200).json()["status"], "queued");
    // The newer worker comes and takes it.
    let ids = satchel.redis.commands.run(&["XRANGE", stream, "-", "+", "COUNT", "1"]);
    satchel.redis.commands.run(&["XDEL", stream, ids.lines().next().unwrap()]);
    invariants::check(satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 2)]);
    assert_eq!(quarantined(satchel), 0);
}
