//! Jobs to park and to keep.

use std::sync::LazyLock;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use satchel_forms::{Node, Pointer};
use satchel_model::access::{Actor, Role, Scopes};
use satchel_model::ids::{JobId, RequestId, Shard, ShardCount, UserId};
use satchel_model::ledger::{Head, LedgerKey, NewBody, Record, RecordedActor, RecordedChange, Seal};
use satchel_model::operations::Envelope;
use satchel_model::operations::Submission;
use satchel_store::actions::Operator;
use satchel_store::journal::JournalEntry;
use satchel_store::parked::{self, NewParked};
use satchel_store::progress::{self, Progress, ShardCounts};
use satchel_store::users::Found;
use satchel_store::{Session, Tx, users};
use satchel_wire::Fresh;
use satchel_wire::envelope::EnvelopeKey;
use serde_json::value::RawValue;

use crate::database::SHARDS;

/// Who operates.
pub(crate) const OPERATOR: Operator<'static> = Operator { actor: "operator:ops", request_id: "r1" };

pub(crate) fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

pub(crate) fn shard(user_id: &UserId) -> Shard {
    ShardCount::new(SHARDS).unwrap().of_user(user_id)
}

/// A job that rewards so many pieces of gold.
pub(crate) fn reward(user_id: &str, quantity: u32) -> Envelope {
    let text = format!(
        r#"{{"type":"reward_inventory_item","userId":"{user_id}","items":[{{"itemId":"gold","quantity":{quantity}}}]}}"#
    );
    Envelope {
        job_id: JobId::from(uuid::Uuid::now_v7()),
        job: Submission::parse(Node::parse(text.as_bytes()).unwrap(), Pointer::root()).unwrap().job,
        actor: Actor::new(Role::Service, "game", Scopes::all()).unwrap(),
        request_id: RequestId::random(),
        submitted_at: Utc::now().trunc_subsecs(6),
        reply_to: None,
        journaled: false,
    }
}

/// The same job, not to be applied before some time has passed.
pub(crate) fn delayed(mut envelope: Envelope, by: TimeDelta) -> Envelope {
    envelope.job.not_before = Some(envelope.submitted_at + by);
    envelope
}

/// The key that rows are signed by.
pub(crate) fn key() -> &'static EnvelopeKey {
    static KEY: LazyLock<EnvelopeKey> = LazyLock::new(|| EnvelopeKey::new(&"k".repeat(32).into()).unwrap());
    &KEY
}

pub(crate) fn to_park(envelope: &Envelope) -> NewParked<'_> {
    let (payload_hash, shard) = (envelope.job.payload_hash(), shard(&envelope.job.user_id));
    NewParked { envelope, payload_hash, shard, key: key() }
}

pub(crate) fn entry(envelope: &Envelope) -> JournalEntry<'_> {
    let (payload_hash, shard) = (envelope.job.payload_hash(), shard(&envelope.job.user_id));
    JournalEntry { envelope, payload_hash, shard, key: key() }
}

pub(crate) fn ids<'e>(envelopes: impl IntoIterator<Item = &'e Envelope>) -> Vec<JobId> {
    envelopes.into_iter().map(|envelope| envelope.job_id).collect()
}

pub(crate) fn counts(shard: Shard, applied: i64, rejected: i64) -> ShardCounts {
    ShardCounts { shard, applied, rejected }
}

/// Where a batch looks for the users.
pub(crate) fn places<'u>(user_ids: impl IntoIterator<Item = &'u UserId>) -> Vec<(&'u UserId, Shard)> {
    user_ids.into_iter().map(|user_id| (user_id, shard(user_id))).collect()
}

/// A transaction that has the user's row, and the user as it is.
pub(crate) async fn find<'s>(session: &'s mut Session, user_id: &UserId) -> (Tx<'s>, Found) {
    let mut tx = session.begin().await.unwrap();
    let found = users::lock(&mut tx, &places([user_id])).await.unwrap().remove(user_id).unwrap();
    (tx, found)
}

/// A transaction that has the user's row, and whether the user is blocked.
pub(crate) async fn lock<'s>(session: &'s mut Session, user_id: &UserId) -> (Tx<'s>, bool) {
    let (tx, found) = find(session, user_id).await;
    (tx, found.head.is_blocked)
}

/// The key that ends of ledgers are signed by.
pub(crate) fn ledger_key() -> LedgerKey {
    LedgerKey::new(&[7; LedgerKey::MIN_BYTES]).unwrap()
}

/// What a record says of a job.
pub(crate) fn body<'b>(envelope: &'b Envelope, canonical: &'b str, changes: &'b [RecordedChange]) -> NewBody<'b> {
    NewBody {
        canonical,
        user_id: &envelope.job.user_id,
        actor: Some(RecordedActor::Named(envelope.actor.to_string().into())),
        request_id: &envelope.request_id,
        submitted_at: envelope.submitted_at,
        decided_at: envelope.submitted_at,
        catalogue_version: 3,
        attempts: 1,
        changes,
        result: RawValue::NULL,
    }
}

/// The next record of a user, sealed, and where its ledger then ends.
pub(crate) fn next_record(found: &Found, job_id: Option<JobId>, count: usize, body: String) -> (Record, Head) {
    let (head, count) = (found.head, i16::try_from(count).unwrap());
    let (at, seal) = (Utc::now().trunc_subsecs(6), Seal::Chained(head.hash));
    let seq = head.version + i64::from(count.min(1));
    let mut record = Record { user: found.key, seq, count, job_id, is_rejected: false, at, body, seal };
    if count == 0 {
        record.seal = Seal::Alone(record.mac(&ledger_key()));
        return (record, head);
    }
    let hash = record.hash(head.hash);
    record.seal = Seal::Chained(hash);
    (record, Head { version: head.version + i64::from(count), hash, decided_at: Some(at), ..head })
}

/// Writes the record of a job that changes this of its user.
pub(crate) async fn decide(session: &mut Session, envelope: &Envelope, changes: &[RecordedChange]) {
    let user_id = &envelope.job.user_id;
    let (mut tx, found) = find(session, user_id).await;
    let text = body(envelope, &envelope.job.canonical(), changes).text();
    let (record, head) = next_record(&found, Some(envelope.job_id), changes.len(), text);
    let at = record.at;
    let heads = [(found.key, head, ledger_key().sign_head(found.key.uid, &head))];
    let counts = [counts(shard(user_id), 1, 0)];
    let progress = Progress { counts: &counts, heads: &heads, records: &[record], ..Progress::none(at) };
    progress::write(&mut tx, progress).await.unwrap();
    tx.commit().await.unwrap();
}

/// Parks the first of a user's jobs, due in `retry_in_ms` or parked, and the others behind it.
pub(crate) async fn park(session: &mut Session, jobs: &[&Envelope], retry_in_ms: Option<u32>) {
    let (first, others) = jobs.split_first().unwrap();
    let (mut tx, _) = lock(session, &first.job.user_id).await;
    assert!(parked::park(&mut tx, &to_park(first), "it broke", retry_in_ms).await.unwrap());
    let others: Vec<_> = others.iter().map(|job| to_park(job)).collect();
    parked::block(&mut tx, &others).await.unwrap();
    tx.commit().await.unwrap();
}

/// A moment so long ago.
pub(crate) fn ago(time: TimeDelta) -> DateTime<Utc> {
    Utc::now() - time
}
