//! What a batch writes once it is decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use satchel_model::events::Emission;
use satchel_model::events::{EventType, JobFacts, JobParked};
use satchel_model::ids::{Shard, UserId};
use satchel_store::events::NewEvent;
use satchel_store::jobs::{JobRecord, JobStatus};
use satchel_store::parked::{self, SetAside};
use satchel_store::progress::{self, Progress, ShardCounts};
use satchel_store::{StoreError, Tx, decisions, journal, rule_grants};
use satchel_wire::envelope::EnvelopeKey;

use crate::decide::{Decisions, Ending};
use crate::decode::Delivery;
use crate::world::World;

/// Records, holdings, ledger, heads, counters and events.
pub(crate) async fn write(
    tx: &mut Tx<'_>,
    world: &World<'_>,
    user_ids: &[&UserId],
    decided: &Decisions,
) -> Result<(), StoreError> {
    if decided.records.is_empty() {
        return Ok(());
    }
    decisions::add(tx, &decided.records, &decided.entries).await?;
    let users = || user_ids.iter().filter_map(|user_id| Some((*user_id, world.users.get(*user_id)?)));
    let holdings: Vec<_> = users().flat_map(|(user_id, user)| user.written(user_id)).collect();
    let moved = users().filter(|(_, user)| user.has_moved());
    let heads: Vec<_> = moved.map(|(user_id, user)| (user_id, user.head)).collect();
    let counts = counts(&decided.records, &decided.shards);
    let events = &decided.events;
    progress::write(tx, Progress { holdings: &holdings, heads: &heads, counts: &counts, events, at: world.now })
        .await?;
    if !decided.grants.is_empty() {
        rule_grants::add(tx, &decided.grants, world.now).await?;
    }
    Ok(())
}

/// Moves jobs out of where Postgres kept them, now that they are decided, and those that have to wait to where they
/// wait, signed by this worker.
pub(crate) async fn settle(
    tx: &mut Tx<'_>,
    batch: &[&Delivery],
    endings: &[Ending],
    key: &EnvelopeKey,
) -> Result<(), StoreError> {
    let (mut waiting, mut journaled, mut done) = (Vec::new(), Vec::new(), Vec::new());
    let mut released: BTreeSet<&UserId> = BTreeSet::new();
    for (delivery, ending) in batch.iter().zip(endings) {
        match ending {
            Ending::Held => waiting.push(of(delivery, key)),
            Ending::Decided(_) if delivery.was_set_aside() => {
                done.push(delivery.envelope.job_id);
                released.insert(&delivery.envelope.job.user_id);
            }
            // What is set aside has left the journal before.
            Ending::Decided(_) if delivery.envelope.journaled => journaled.push(delivery.envelope.job_id),
            Ending::Decided(_) | Ending::Early => {}
        }
    }
    if !waiting.is_empty() {
        for job_id in parked::hold(tx, &waiting).await? {
            tracing::error!(job.id = %job_id, "a job came under the id of another one that is set aside: it is dropped");
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

pub(crate) fn of<'d>(delivery: &'d Delivery, key: &'d EnvelopeKey) -> SetAside<'d> {
    SetAside { envelope: &delivery.envelope, payload_hash: delivery.payload_hash, shard: delivery.shard, key }
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
