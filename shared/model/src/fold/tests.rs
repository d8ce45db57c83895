use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta};
use satchel_forms::{Node, Pointer};
use uuid::Uuid;

use super::*;
use crate::access::{Actor, Role, Scopes};
use crate::catalogue::Catalogue;
use crate::decide::ChanceKey;
use crate::facts::{Facts, Reads};
use crate::ids::{IdempotencyKey, JobId, RequestId, Shard, Uid, UserId, UserKey};
use crate::ledger::{ChainVerifier, Head, LedgerEntry, LedgerKey, LedgerKeys, Record, Recorded, Seal};
use crate::operations::{Envelope, Submission};
use crate::records::JobStatus;

static LEDGER_KEY: LazyLock<LedgerKey> = LazyLock::new(|| LedgerKey::new(&[9; 32]).unwrap());
static CHANCE: LazyLock<ChanceKey> = LazyLock::new(|| ChanceKey::new([7; 32]));

fn catalogue() -> Catalogue {
    let text = br#"{"items":{"gold":{"name":"Gold","grant":"stack"},
        "chest":{"name":"Chest","grant":"once","use":{"effects":[{"grant":[{"itemId":"gold","quantity":5}]}]}}}}"#;
    Catalogue::parse(Node::parse(text).unwrap()).unwrap()
}

fn batch(catalogue: &Catalogue) -> Batch<'_> {
    Batch {
        decided: HashMap::new(),
        users: HashMap::new(),
        catalogue,
        catalogue_version: 1,
        chance: &CHANCE,
        now: DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap(),
        attempts: 1,
        ledger_key: &LEDGER_KEY,
    }
}

/// A job with an id of its own.
fn envelope(number: u128, job: &str) -> Envelope {
    Envelope {
        job_id: JobId::from(Uuid::from_u128(number)),
        job: Submission::parse(Node::parse(job.as_bytes()).unwrap(), Pointer::root()).unwrap().job,
        actor: Actor::new(Role::Service, "game", Scopes::all()).unwrap(),
        request_id: RequestId::parse("r").unwrap(),
        submitted_at: DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap(),
        reply_to: None,
        journaled: false,
    }
}

fn turn(envelope: &Envelope) -> Turn<'_> {
    // Lives as long as the test.
    let canonical = Box::leak(envelope.job.canonical());
    Turn { envelope, canonical, shard: Shard::new(0), failures: 0, was_parked: false }
}

/// Everything that the jobs ask for is known: nobody has anything.
fn know_all(batch: &mut Batch<'_>, envelopes: &[&Envelope]) {
    let mut reads = Reads::default();
    for envelope in envelopes {
        batch.ask(envelope, &mut reads);
    }
    let parties = |envelope: &&'_ Envelope| {
        let job = &envelope.job;
        [std::slice::from_ref(&job.user_id), job.work.other_parties()].concat()
    };
    for user_id in envelopes.iter().flat_map(parties) {
        let uid = Uid::new(i64::try_from(batch.users.len()).unwrap() + 1);
        let key = UserKey { shard: Shard::new(0), uid };
        batch.users.entry(user_id).or_insert_with(|| UserState::new(key, Head::GENESIS, Facts::default()));
    }
    for (user_id, item_id) in reads.holdings {
        batch.users.get_mut(user_id).unwrap().facts.holdings.put(item_id, None);
    }
}

/// The changes of holdings that were decided: whose, and each one's number, delta and balance.
fn changes(batch: &Batch<'_>, decisions: &Decisions) -> Vec<(String, i64, i64, i64)> {
    let name = |uid: Uid| batch.users.iter().find(|(_, user)| user.key.uid == uid).unwrap().0;
    let entries = |record: &Record| {
        let Seal::Chained(hash) = record.seal else { return Vec::new() };
        let Record { user: UserKey { uid, .. }, seq, job_id, at, ref body, .. } = *record;
        let entries = LedgerEntry::of_record(Recorded { user_id: name(uid), seq, job_id, at, body, hash }).unwrap();
        entries.into_iter().map(|entry| (name(uid).to_string(), entry.seq, entry.delta, entry.balance)).collect()
    };
    decisions.ledger.iter().flat_map(entries).collect()
}

/// Follows the chain of a user.
fn verify(batch: &Batch<'_>, decisions: &Decisions, user: &str) {
    let user = &batch.users[&user_id(user)];
    let mut chain = ChainVerifier::default();
    let own = decisions.ledger.iter().filter(|record| record.user == user.key && record.count > 0);
    own.into_iter().try_for_each(|record| chain.follow(record)).unwrap();
    assert_eq!(chain.head(), (user.head.version, user.head.hash));
}

fn decide(batch: &mut Batch<'_>, envelopes: &[&Envelope]) -> Decisions {
    know_all(batch, envelopes);
    batch.decide(envelopes.iter().map(|envelope| turn(envelope)))
}

fn result(decisions: &Decisions, index: usize) -> &str {
    match &decisions.dispositions[index] {
        Disposition::Recorded(record) => record.result.get(),
        Disposition::Blocked => "blocked",
        Disposition::Early => "early",
    }
}

fn user_id(text: &str) -> UserId {
    UserId::parse(text).unwrap()
}

const REWARD: &str = r#"{"type":"reward_inventory_item","userId":"u1","items":["chest"]}"#;
const USE: &str = r#"{"type":"use_item","userId":"u1","itemId":"chest"}"#;

#[test]
fn later_jobs_of_a_batch_see_what_earlier_ones_did() {
    let catalogue = catalogue();
    let mut batch = batch(&catalogue);
    let jobs = [envelope(1, REWARD), envelope(2, USE), envelope(3, USE), envelope(4, REWARD)];
    let decisions = decide(&mut batch, &jobs.each_ref());
    let statuses: Vec<_> = decisions.records.iter().map(|record| record.status).collect();
    let (applied, rejected) = (JobStatus::Applied, JobStatus::Rejected);
    assert_eq!(statuses, [applied, applied, rejected, applied]);
    verify(&batch, &decisions, "u1");
    let changed: Vec<_> =
        changes(&batch, &decisions).into_iter().map(|(_, seq, delta, left)| (seq, delta, left)).collect();
    assert_eq!(changed, [(1, 1, 1), (2, -1, 0), (3, 5, 5)]);
    let counts: Vec<_> = decisions.ledger.iter().map(|record| (record.seq, record.count, record.is_rejected)).collect();
    assert_eq!(counts, [(1, 1, false), (2, 2, false), (3, 0, true), (3, 0, false)]);
    let keys = LedgerKeys { current: LEDGER_KEY.clone(), previous: None };
    for record in decisions.ledger.iter().filter(|record| record.count == 0) {
        keys.check_record(record, record.seal.as_bytes()).unwrap();
    }
    assert_eq!(batch.users[&user_id("u1")].head.version, 3);
    let names: Vec<_> = decisions.events.iter().map(|event| &*event.name).collect();
    assert_eq!(names, ["item/rewarded", "item/used", "job/rejected", "item/rewarded"]);
}

#[test]
fn a_copy_within_the_batch_changes_nothing_and_answers_the_same() {
    let catalogue = catalogue();
    let job = envelope(1, r#"{"type":"reward_inventory_item","userId":"u1","items":["gold"]}"#);
    let decisions = decide(&mut batch(&catalogue), &[&job, &job]);
    assert_eq!((decisions.records.len(), decisions.ledger.len(), decisions.redelivered), (1, 1, 1));
    assert_eq!(result(&decisions, 0), result(&decisions, 1));
}

#[test]
fn another_job_under_the_same_id_is_a_conflict_and_is_not_recorded() {
    let catalogue = catalogue();
    let (mut first, mut other) = (envelope(1, REWARD), envelope(1, USE));
    let of_key = JobId::of_key("service:game", &user_id("u1"), &IdempotencyKey::parse("k").unwrap());
    for (job_id, is_told) in [(of_key, true), (JobId::from(Uuid::from_u128(1)), false)] {
        (first.job_id, other.job_id) = (job_id, job_id);
        let decisions = decide(&mut batch(&catalogue), &[&first, &other]);
        assert_eq!((decisions.records.len(), decisions.ledger.len()), (1, 1));
        // Nobody but the API makes ids without a key: the same one is the same job.
        assert_eq!(result(&decisions, 1).contains("idempotency_conflict"), is_told);
        assert_eq!(decisions.conflicts.len(), usize::from(is_told));
    }
}

#[test]
fn the_worker_asks_again_whether_the_submitter_may_and_whether_the_job_is_too_old() {
    let catalogue = catalogue();
    let (mut forbidden, mut old) = (envelope(1, REWARD), envelope(2, REWARD));
    forbidden.actor = Actor::new(Role::Player, "u1", Scopes::all()).unwrap();
    old.submitted_at -= TimeDelta::days(31);
    let decisions = decide(&mut batch(&catalogue), &[&forbidden, &old]);
    assert!(decisions.ledger.iter().all(|record| record.count == 0 && record.is_rejected));
    assert!(decisions.records[0].result.get().contains("forbidden"));
    assert!(decisions.records[1].result.get().contains("expired"));
}

#[test]
fn behind_a_parked_job_its_users_other_jobs_wait_and_only_theirs() {
    let catalogue = catalogue();
    let mut batch = batch(&catalogue);
    let (waits, mut other, first) = (envelope(1, USE), envelope(2, REWARD), envelope(3, REWARD));
    other.job.user_id = user_id("u2");
    know_all(&mut batch, &[&waits, &other, &first]);
    batch.users.get_mut(&user_id("u1")).unwrap().head.is_blocked = true;
    let parked = Turn { failures: 2, was_parked: true, ..turn(&first) };
    let decisions = batch.decide([turn(&waits), turn(&other), parked].into_iter());
    let dispositions = &decisions.dispositions[..];
    assert!(matches!(dispositions, [Disposition::Blocked, Disposition::Recorded(_), Disposition::Recorded(_)]));
    assert_eq!(decisions.records.len(), 2);
    assert_eq!((decisions.records[0].attempts, decisions.records[1].attempts), (1, 3));
}

#[test]
fn a_delayed_job_ages_from_when_it_is_due() {
    let catalogue = catalogue();
    let mut delayed = envelope(1, REWARD);
    delayed.submitted_at -= TimeDelta::days(40);
    delayed.job.not_before = Some(delayed.submitted_at + TimeDelta::days(20));
    let decisions = decide(&mut batch(&catalogue), &[&delayed]);
    assert_eq!(decisions.records[0].status, JobStatus::Applied);
}

#[test]
fn a_delayed_job_that_somebody_brought_early_is_not_decided() {
    let catalogue = catalogue();
    let early = |number: u128, by: TimeDelta| {
        let mut delayed = envelope(number, REWARD);
        delayed.job.not_before = Some(delayed.submitted_at + by);
        delayed
    };
    let jobs = [early(1, TimeDelta::days(1)), early(2, TimeDelta::seconds(30))];
    let decisions = decide(&mut batch(&catalogue), &jobs.each_ref());
    assert!(matches!(decisions.dispositions[..], [Disposition::Early, Disposition::Recorded(_)]));
    assert_eq!(decisions.records.len(), 1);
}

#[test]
fn nothing_is_decided_on_what_nobody_has_read() {
    let catalogue = catalogue();
    let mut batch = batch(&catalogue);
    let (known, unknown, after) = (envelope(1, REWARD), envelope(2, USE), envelope(3, REWARD));
    know_all(&mut batch, &[&known]);
    let turns = || [&known, &unknown, &after].map(turn).into_iter();
    let decisions = batch.decide(turns());
    assert_eq!((decisions.dispositions.len(), decisions.unread), (1, None), "the batch ends before that job");
    let decisions = batch.decide(turns().skip(1));
    assert_eq!((decisions.dispositions.len(), decisions.unread), (0, Some(unknown.job_id)), "it is to blame");
    assert!(decisions.records.is_empty() && decisions.ledger.is_empty());
}

#[test]
fn an_operation_on_two_users_changes_both_or_neither() {
    let catalogue = catalogue();
    let mut batch = batch(&catalogue);
    let give = |number, quantity| {
        envelope(number, &format!(r#"{{"type":"give","userId":"u1","to":"u2","itemId":"gold","quantity":{quantity}}}"#))
    };
    let reward =
        envelope(1, r#"{"type":"reward_inventory_item","userId":"u1","items":[{"itemId":"gold","quantity":7}]}"#);
    let jobs = [reward, give(2, 5), give(3, 5)];
    let decisions = decide(&mut batch, &jobs.each_ref());
    let changed = changes(&batch, &decisions);
    assert_eq!(changed, [("u1".into(), 1, 7, 7), ("u1".into(), 2, -5, 2), ("u2".into(), 1, 5, 5)]);
    assert!(result(&decisions, 2).contains("insufficient_quantity"));
    for user in ["u1", "u2"] {
        verify(&batch, &decisions, user);
        assert!(batch.users[&user_id(user)].has_moved());
    }
}

#[test]
fn a_job_that_names_a_user_twice_is_rejected() {
    let catalogue = catalogue();
    let mut batch = batch(&catalogue);
    let jobs = [
        envelope(1, r#"{"type":"reward_inventory_item","userId":"u1","items":[{"itemId":"gold","quantity":7}]}"#),
        envelope(2, r#"{"type":"give","userId":"u1","to":"u1","itemId":"gold","quantity":5}"#),
    ];
    let decisions = decide(&mut batch, &jobs.each_ref());
    assert!(result(&decisions, 1).contains("the job names the user u1 twice"));
    assert_eq!(changes(&batch, &decisions).len(), 1);
}

#[test]
fn the_time_of_each_party_is_that_of_the_job_and_never_falls() {
    let catalogue = catalogue();
    let mut batch = batch(&catalogue);
    let at = |number, age, job: &str| {
        let mut envelope = envelope(number, job);
        envelope.submitted_at -= TimeDelta::seconds(age);
        envelope
    };
    let gold = r#"{"type":"reward_inventory_item","userId":"u1","items":[{"itemId":"gold","quantity":7}]}"#;
    let give = r#"{"type":"give","userId":"u1","to":"u2","itemId":"gold","quantity":5}"#;
    let jobs = [at(1, 10, gold), at(2, 60, give), at(3, 5, give)];
    let decisions = decide(&mut batch, &jobs.each_ref());
    assert!(result(&decisions, 2).contains("insufficient_quantity"));
    // The second job was due before the first; the third changed nothing.
    let expected = Some(jobs[0].submitted_at);
    assert_eq!(["u1", "u2"].map(|user| batch.users[&user_id(user)].head.decided_at), [expected; 2]);
}
