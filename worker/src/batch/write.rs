//! What a batch writes once it is decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use satchel_model::events::Emission;
use satchel_model::events::{EventType, JobFacts, JobParked};
use satchel_model::fold::{Batch, Decisions, Disposition};
use satchel_model::ids::{Shard, UserId};
use satchel_model::records::{JobRecord, JobStatus, NewEvent};
use satchel_store::parked::{self, NewParked};
use satchel_store::progress::{self, Progress, ShardCounts};
use satchel_store::{StoreError, Tx, decisions, facts, journal};
use satchel_wire::envelope::EnvelopeKey;

use super::decode::Delivery;
use super::load::Place;

/// Records, holdings, ledger, heads, counters and events.
pub(crate) async fn write(
    tx: &mut Tx<'_>,
    batch: &Batch<'_>,
    places: &[Place<'_>],
    decided: &Decisions,
) -> Result<(), StoreError> {
    if decided.records.is_empty() {
        return Ok(());
    }
    decisions::add(tx, &decided.records, &decided.entries).await?;
    let users = || places.iter().filter_map(|(user_id, _)| Some((*user_id, batch.users.get(*user_id)?)));
    let holdings: Vec<_> = users().flat_map(|(user_id, user)| user.changes(user_id)).collect();
    let moved = users().filter(|(_, user)| user.has_moved());
    let heads: Vec<_> = moved.map(|(user_id, user)| (user_id, user.head)).collect();
    let counts = counts(&decided.records, &decided.shards);
    let events = &decided.events;
    progress::write(tx, Progress { holdings: &holdings, heads: &heads, counts: &counts, events, at: batch.now })
        .await?;
    facts::write(tx, &decided.writes, batch.now).await
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
    NewParked { envelope: &delivery.envelope, payload_hash: delivery.payload_hash, shard: delivery.shard, key }
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
    let event = NewEvent {
        is_quiet: envelope.job.quiet,
        ..NewEvent::of_job(delivery.shard, &envelope.job.user_id, envelope.job_id, 0, told)
    };
    progress::write(tx, Progress { events: &[event], ..Progress::none(at) }).await
}
