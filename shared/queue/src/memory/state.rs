//! Everything that a queue in memory holds.

use std::collections::HashMap;
use std::time::Instant;

use chrono::Utc;
use satchel_model::ids::ReplicaId;
use satchel_model::ids::{JobId, Shard, ShardCount};
use satchel_model::operations::Envelope;
use satchel_wire::envelope::EnvelopeKey;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::records::Records;
use super::shard::{Arrival, MemoryShard, Sealed};
use crate::share::allot;
use crate::{Claim, Entry, Finished, Outcome, Pending, QueueError};

/// The most jobs that wait or are delayed; more are refused. The largest has about 8 KiB.
const MAX_JOBS: usize = 50_000;
/// How many outcomes one listener may be behind before it misses some.
const MAX_UNHEARD_OUTCOMES: usize = 1_000;

/// See the module.
#[derive(Default)]
pub(super) struct State {
    pub(super) records: Records,
    shards: HashMap<Shard, MemoryShard>,
    jobs: usize,
    listeners: HashMap<ReplicaId, Vec<mpsc::Sender<Outcome>>>,
}

impl State {
    /// A shard.
    pub(super) fn shard(&mut self, shard: Shard) -> &mut MemoryShard {
        self.shards.entry(shard).or_default()
    }

    /// Queues one job.
    pub(super) fn enqueue(
        &mut self,
        shards: ShardCount,
        key: &EnvelopeKey,
        envelope: &Envelope,
        arrival: Arrival,
    ) -> Result<(), QueueError> {
        if self.jobs >= MAX_JOBS {
            return Err(QueueError::Refused(format!("{MAX_JOBS} jobs wait in memory").into()));
        }
        if let Some((record, ttl_seconds)) = Pending::queued(envelope) {
            self.records.set(record, ttl_seconds)?;
        }
        let shard = shards.of_user(&envelope.job.user_id);
        if self.shard(shard).add(shard, Sealed::of(key, envelope), Utc::now(), arrival) {
            self.jobs += 1;
        }
        Ok(())
    }

    /// Queues one job, if nobody has its id; or if the same job has it and does not wait, or somebody waits for its outcome.
    pub(super) fn submit(
        &mut self,
        shards: ShardCount,
        key: &EnvelopeKey,
        envelope: &Envelope,
    ) -> Result<Claim, QueueError> {
        let found = self.records.find(envelope.job_id).filter(|_| envelope.job_id.is_of_key());
        let mut claim = found.map_or(Claim::New, |found| found.claimed_by(&Pending::of(envelope)));
        if matches!(claim, Claim::Queued { .. }) {
            let waits = self.shard(shards.of_user(&envelope.job.user_id)).has(envelope.job_id);
            if waits && envelope.reply_to.is_none() {
                return Ok(claim);
            }
            claim = Claim::Same;
        }
        if claim != Claim::Other {
            self.enqueue(shards, key, envelope, Arrival::New)?;
        }
        Ok(claim)
    }

    /// The next entries of these shards: each gives at most its share, then those that have more. And when the first of
    /// their delayed jobs will be due.
    pub(super) fn read(&self, shards: &[Shard], max_entries: usize) -> (Vec<Entry>, Option<Instant>) {
        let now = Utc::now();
        let share = (max_entries / shards.len().max(1)).max(1);
        let waiting: Vec<_> = shards.iter().filter_map(|shard| self.shards.get(shard)).collect();
        let sizes: Vec<_> = waiting.iter().map(|shard| (shard.waiting(now), share)).collect();
        let entries = waiting.iter().zip(allot(&sizes, max_entries)).flat_map(|(shard, size)| shard.next(size, now));
        let next_due = waiting.iter().filter_map(|shard| shard.next_due(now)).min();
        (entries.collect(), next_due.and_then(|due| Some(Instant::now() + (due - now).to_std().ok()?)))
    }

    /// Takes a delayed job out, and its record.
    pub(super) fn withdraw(&mut self, shard: Shard, job_id: JobId) {
        if self.shard(shard).withdraw(job_id) {
            self.jobs -= 1;
        }
        self.records.forget(job_id);
    }

    /// Deletes, forgets and tells.
    pub(super) fn finish(&mut self, finished: &Finished) {
        for entry in &finished.entries {
            if self.shard(entry.shard).remove(entry.place, &entry.id) {
                self.jobs -= 1;
            }
        }
        for job_id in &finished.job_ids {
            self.records.forget(*job_id);
        }
        for (replica, outcomes) in &finished.outcomes {
            if let Some(listeners) = self.listeners.get_mut(replica) {
                listeners.retain(|listener| outcomes.iter().all(|outcome| is_open(listener, outcome)));
            }
        }
    }

    /// What `replica` is told from now on.
    pub(super) fn listen(&mut self, replica: ReplicaId) -> mpsc::Receiver<Outcome> {
        let (sender, receiver) = mpsc::channel(MAX_UNHEARD_OUTCOMES);
        for listeners in self.listeners.values_mut() {
            listeners.retain(|listener| !listener.is_closed());
        }
        self.listeners.retain(|_, listeners| !listeners.is_empty());
        self.listeners.entry(replica).or_default().push(sender);
        receiver
    }
}

/// Tells an outcome; it may be missed. Whether there is still somebody to tell the next one.
fn is_open(listener: &mpsc::Sender<Outcome>, outcome: &Outcome) -> bool {
    !matches!(listener.try_send(outcome.clone()), Err(TrySendError::Closed(_)))
}
