use std::collections::HashMap;

use chrono::DateTime;
use satchel_forms::{Node, Pointer};
use satchel_model::access::{Actor, Role, Scopes};
use satchel_model::catalogue::Catalogue;
use satchel_model::ids::{IdempotencyKey, JobId, RequestId, UserId};
use satchel_model::ledger::ChainVerifier;
use satchel_model::operations::Submission;

use super::*;
use crate::decode::Source;

fn catalogue() -> Catalogue {
    let text = br#"{"items":{"gold":{"name":"Gold","grant":"stack"},
        "chest":{"name":"Chest","grant":"once","use":{"effects":[{"grant":[{"itemId":"gold","quantity":5}]}]}}}}"#;
    Catalogue::parse(Node::parse(text).unwrap()).unwrap()
}

fn world(catalogue: &Catalogue) -> World<'_> {
    World {
        decided: HashMap::new(),
        users: HashMap::new(),
        catalogue,
        catalogue_version: 1,
        now: DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap(),
        attempts: 1,
    }
}

fn delivery(job: &str) -> Delivery {
    let job = Submission::parse(Node::parse(job.as_bytes()).unwrap(), Pointer::root()).unwrap().job;
    Delivery {
        payload_hash: job.payload_hash(),
        envelope: Envelope {
            job_id: JobId::random(),
            job,
            actor: Actor::new(Role::Service, "game", Scopes::all()).unwrap(),
            request_id: RequestId::random(),
            submitted_at: DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap(),
            reply_to: None,
            journaled: false,
        },
        shard: Shard::new(0),
        source: Source::Journal,
    }
}

fn result(decisions: &Decisions, index: usize) -> &str {
    match &decisions.endings[index] {
        Ending::Decided(record) => record.result.get(),
        Ending::Held => "held",
        Ending::Early => "early",
    }
}

const REWARD: &str = r#"{"type":"reward_inventory_item","userId":"u1","items":["chest"]}"#;
const USE: &str = r#"{"type":"use_item","userId":"u1","itemId":"chest"}"#;

#[test]
fn later_jobs_of_a_batch_see_what_earlier_ones_did() {
    let catalogue = catalogue();
    let mut world = world(&catalogue);
    let decisions = world.decide(&[&delivery(REWARD), &delivery(USE), &delivery(USE), &delivery(REWARD)]);
    let statuses: Vec<_> = decisions.records.iter().map(|record| record.status).collect();
    let (applied, rejected) = (JobStatus::Applied, JobStatus::Rejected);
    assert_eq!(statuses, [applied, applied, rejected, applied]);
    let mut chain = ChainVerifier::default();
    decisions.entries.iter().try_for_each(|entry| chain.follow(entry)).unwrap();
    assert_eq!(decisions.entries.iter().map(|e| (e.delta, e.balance)).collect::<Vec<_>>(), [(1, 1), (-1, 0), (5, 5)]);
    assert_eq!(world.users[&UserId::parse("u1").unwrap()].head.version, 3);
}

#[test]
fn a_copy_within_the_batch_changes_nothing_and_answers_the_same() {
    let catalogue = catalogue();
    let first = delivery(r#"{"type":"reward_inventory_item","userId":"u1","items":["gold"]}"#);
    let job_id = first.envelope.job_id;
    let mut copy = delivery(r#"{"type":"reward_inventory_item","userId":"u1","items":["gold"]}"#);
    copy.envelope.job_id = job_id;
    let decisions = world(&catalogue).decide(&[&first, &copy]);
    assert_eq!((decisions.records.len(), decisions.entries.len(), decisions.redelivered), (1, 1, 1));
    assert_eq!(result(&decisions, 0), result(&decisions, 1));
}

#[test]
fn another_job_under_the_same_id_is_a_conflict_and_is_not_recorded() {
    let catalogue = catalogue();
    let (mut first, mut other) = (delivery(REWARD), delivery(USE));
    let of_key = JobId::of_key("service:game", &IdempotencyKey::parse("k").unwrap());
    for (job_id, is_told) in [(of_key, true), (JobId::random(), false)] {
        (first.envelope.job_id, other.envelope.job_id) = (job_id, job_id);
        let decisions = world(&catalogue).decide(&[&first, &other]);
        assert_eq!((decisions.records.len(), decisions.entries.len()), (1, 1));
        // Nobody but the API makes ids without a key: the same one is the same job.
        assert_eq!(result(&decisions, 1).contains("idempotency_conflict"), is_told);
    }
}

#[test]
fn the_worker_asks_again_whether_the_submitter_may_and_whether_the_job_is_too_old() {
    let catalogue = catalogue();
    let mut forbidden = delivery(REWARD);
    forbidden.envelope.actor = Actor::new(Role::Player, "u1", Scopes::all()).unwrap();
    let mut old = delivery(REWARD);
    old.envelope.submitted_at -= TimeDelta::days(31);
    let decisions = world(&catalogue).decide(&[&forbidden, &old]);
    assert!(decisions.entries.is_empty());
    assert!(decisions.records[0].result.get().contains("forbidden"));
    assert!(decisions.records[1].result.get().contains("expired"));
}

#[test]
fn behind_a_set_aside_job_its_players_other_jobs_wait_and_only_theirs() {
    let catalogue = catalogue();
    let mut world = world(&catalogue);
    let user_id = UserId::parse("u1").unwrap();
    world.users.entry(user_id).or_default().head.is_held = true;
    let mut other = delivery(REWARD);
    other.envelope.job.user_id = UserId::parse("u2").unwrap();
    let mut first = delivery(REWARD);
    first.source = Source::SetAside { position: 1, failures: 2, tries: 2 };
    let decisions = world.decide(&[&delivery(USE), &other, &first]);
    assert!(matches!(decisions.endings[..], [Ending::Held, Ending::Decided(_), Ending::Decided(_)]));
    assert_eq!(decisions.records.len(), 2);
    assert_eq!((decisions.records[0].attempts, decisions.records[1].attempts), (1, 3));
}

#[test]
fn a_delayed_job_ages_from_when_it_is_due() {
    let catalogue = catalogue();
    let mut world = world(&catalogue);
    let mut delayed = delivery(REWARD);
    delayed.envelope.submitted_at -= TimeDelta::days(40);
    delayed.envelope.job.not_before = Some(delayed.envelope.submitted_at + TimeDelta::days(20));
    let decisions = world.decide(&[&delayed]);
    assert_eq!(decisions.records[0].status, JobStatus::Applied);
}

#[test]
fn a_delayed_job_that_somebody_brought_early_is_not_decided() {
    let catalogue = catalogue();
    let mut world = world(&catalogue);
    let early = |by: TimeDelta| {
        let mut delayed = delivery(REWARD);
        delayed.envelope.job.not_before = Some(delayed.envelope.submitted_at + by);
        delayed
    };
    let decisions = world.decide(&[&early(TimeDelta::days(1)), &early(TimeDelta::seconds(30))]);
    assert!(matches!(decisions.endings[..], [Ending::Early, Ending::Decided(_)]));
    assert_eq!(decisions.records.len(), 1);
}
