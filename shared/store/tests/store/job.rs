//! Jobs to park and to keep.

use std::sync::LazyLock;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use satchel_forms::{Node, Pointer};
use satchel_model::access::{Actor, Role, Scopes};
use satchel_model::ids::{JobId, RequestId, Shard, ShardCount, UserId};
use satchel_model::operations::Envelope;
use satchel_model::operations::Submission;
use satchel_store::actions::Operator;
use satchel_store::journal::JournalEntry;
use satchel_store::parked::{self, NewParked};
use satchel_store::progress::ShardCounts;
use satchel_store::{Session, Tx, users};
use satchel_wire::Fresh;
use satchel_wire::envelope::EnvelopeKey;

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

/// A transaction that has the user's row, and whether the user is blocked.
pub(crate) async fn lock<'s>(session: &'s mut Session, user_id: &UserId) -> (Tx<'s>, bool) {
    let mut tx = session.begin().await.unwrap();
    let heads = users::lock(&mut tx, &[user_id]).await.unwrap();
    let is_blocked = heads[user_id].is_blocked;
    (tx, is_blocked)
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
