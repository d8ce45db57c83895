//! What a batch writes once it is decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use satchel_model::events::Emission;
use satchel_model::events::{EventType, JobFacts, JobParked};
use satchel_model::fold::{Batch, Decisions, Disposition, HoldingChange, UserState};
use satchel_model::ids::{Shard, UserId, UserKey};
use satchel_model::ledger::{Head, Mac};
use satchel_model::operations::PayloadHash;
use satchel_model::records::{JobRecord, JobStatus, NewEvent};
use satchel_store::parked::{self, NewParked};
use satchel_store::progress::{self, Progress, ShardCounts};
use satchel_store::{StoreError, Tx, facts, journal, users};
use satchel_wire::envelope::EnvelopeKey;

use super::decode::Delivery;
use super::load::Place;

/// What a batch has decided, as it is written.
pub(crate) struct Decided<'d> {
    decisions: &'d Decisions,
    holdings: Vec<HoldingChange<'d>>,
    heads: Vec<(UserKey, Head, Mac)>,
    counts: Vec<ShardCounts>,
}

impl<'d> Decided<'d> {
    pub(crate) fn of(batch: &'d Batch<'_>, places: &[Place<'_>], decisions: &'d Decisions) -> Self {
        let users = || places.iter().filter_map(|(user_id, _)| batch.users.get(*user_id));
        let sign = |user: &UserState| (user.key, user.head, batch.ledger_key.sign_head(user.key.uid, &user.head));
        Self {
            decisions,
            holdings: users().flat_map(UserState::changes).collect(),
            heads: users().filter(|user| user.has_moved()).map(sign).collect(),
            counts: counts(&decisions.records, &decisions.shards),
        }
    }

    pub(crate) fn progress(&self, at: DateTime<Utc>) -> Progress<'_> {
        let Self { decisions: Decisions { ledger, events, .. }, holdings, heads, counts } = self;
        Progress { records: ledger, holdings, heads, counts, events, at }
    }
}

/// Records, holdings, heads, counters and events, and other facts.
pub(crate) async fn write(
    tx: &mut Tx<'_>,
    batch: &Batch<'_>,
    places: &[Place<'_>],
    decisions: &Decisions,
) -> Result<(), StoreError> {
    if decisions.records.is_empty() {
        return Ok(());
    }
    progress::write(tx, Decided::of(batch, places, decisions).progress(batch.now)).await?;
    facts::write(tx, &decisions.writes).await
}

/// Moves jobs out of where Postgres kept them, now that they are decided, and those that have to wait to where they
/// wait, signed by this worker.
pub(crate) async fn settle(
    tx: &mut Tx<'_>,
    batch: &[&Delivery],
    dispositions: &[Disposition],
    key: &EnvelopeKey,
) -> Result<(), StoreError> {
    let (mut waiting, mut journaled, mut done) = (Vec::new(), Vec::new(), Vec::new());
    let mut released: BTreeSet<&UserId> = BTreeSet::new();
    for (delivery, disposition) in batch.iter().zip(dispositions) {
        match disposition {
            Disposition::Blocked => waiting.push(of(delivery, key)),
            Disposition::Recorded(_) if delivery.was_parked() => {
                done.push(delivery.envelope.job_id);
                released.insert(&delivery.envelope.job.user_id);
            }
            // What is parked has left the journal before.
            Disposition::Recorded(_) if delivery.envelope.journaled => journaled.push(delivery.envelope.job_id),
            Disposition::Recorded(_) | Disposition::Early => {}
        }
    }
    if !waiting.is_empty() {
        for job_id in parked::block(tx, &waiting).await? {
            tracing::error!(job.id = %job_id, "a job came under the id of another one that is parked: it is dropped");
        }
    }
    if !journaled.is_empty() {
        journal::remove(tx, &journaled).await?;
    }
    if !done.is_empty() {
        parked::release(tx, &done, &released.into_iter().collect::<Vec<_>>()).await?;
    }
    Ok(())
}

pub(crate) fn of<'d>(delivery: &'d Delivery, key: &'d EnvelopeKey) -> NewParked<'d> {
    NewParked {
        envelope: &delivery.envelope,
        payload_hash: PayloadHash::of(&delivery.canonical),
        shard: delivery.shard,
        key,
    }
}

fn counts(records: &[Arc<JobRecord>], shards: &[Shard]) -> Vec<ShardCounts> {
    let mut counts: BTreeMap<Shard, ShardCounts> = BTreeMap::new();
    for (record, shard) in records.iter().zip(shards) {
        let counted = counts.entry(*shard).or_insert(ShardCounts { shard: *shard, applied: 0, rejected: 0 });
        match record.status {
            JobStatus::Applied => counted.applied += 1,
            JobStatus::Rejected => counted.rejected += 1,
        }
    }
    counts.into_values().collect()
}

/// Tells that a job is parked.
pub(crate) async fn tell_of_parking(tx: &mut Tx<'_>, delivery: &Delivery, at: DateTime<Utc>) -> Result<(), StoreError> {
    let envelope = &delivery.envelope;
    let job = JobFacts::of(envelope);
    // A job that was retried may be parked again: that is another event.
    let id = format!("{}:parked:{}", envelope.job_id, delivery.failures().saturating_add(1));
    let told = Emission { id: Some(id), ..JobParked { job, code: JobParked::CANNOT_BE_APPLIED.to_owned() }.emission() };
    let user = users::key(tx, &envelope.job.user_id, delivery.shard).await?;
    let event = NewEvent { is_quiet: envelope.job.quiet, ..NewEvent::of_job(user, envelope.job_id, 0, told) };
    progress::write(tx, Progress { events: &[event], ..Progress::none(at) }).await
}
