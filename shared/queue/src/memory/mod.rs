//! The queue in this process's memory, for API and workers that share it: nothing to set up, and nothing left when the
//! process ends.

mod records;
mod shard;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use satchel_model::ids::ReplicaId;
use satchel_model::ids::{JobId, Shard, ShardCount, UserId};
use satchel_model::operations::Envelope;
use satchel_wire::envelope::EnvelopeKey;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::shard::Arrival;
use self::state::State;
use super::{
    Claim, Consumer, Depth, Durability, Entry, EntryRef, Finished, Outcome, Pending, Queue, QueueError, Raise, Sought,
    Watermark,
};

/// What a queue in memory holds. Clones share it.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes those who wait for entries.
    appended: Notify,
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore(..)")
    }
}

/// The queue over a [`MemoryStore`].
pub(super) struct MemoryQueue {
    store: MemoryStore,
    shards: ShardCount,
}

impl MemoryQueue {
    pub(super) fn new(store: &MemoryStore, shards: ShardCount) -> Self {
        Self { store: store.clone(), shards }
    }

    fn add(&self, key: &EnvelopeKey, envelopes: &[Envelope], arrival: Arrival) -> Vec<Result<(), QueueError>> {
        let mut state = self.store.state();
        let results = envelopes.iter().map(|envelope| state.enqueue(self.shards, key, envelope, arrival)).collect();
        self.store.0.appended.notify_waiters();
        results
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    fn shards(&self) -> ShardCount {
        self.shards
    }

    async fn enqueue(
        &self,
        key: &EnvelopeKey,
        envelopes: &[Envelope],
    ) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        Ok(self.add(key, envelopes, Arrival::New))
    }

    async fn submit(
        &self,
        key: &EnvelopeKey,
        envelopes: &[&Envelope],
    ) -> Result<Vec<Result<Claim, QueueError>>, QueueError> {
        let mut state = self.store.state();
        let claims = envelopes.iter().map(|envelope| state.submit(self.shards, key, envelope)).collect();
        self.store.0.appended.notify_waiters();
        Ok(claims)
    }

    async fn restore(
        &self,
        key: &EnvelopeKey,
        envelopes: &[Envelope],
    ) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        Ok(self.add(key, envelopes, Arrival::Again))
    }

    async fn withdraw(&self, user_id: &UserId, job_id: JobId) -> Result<(), QueueError> {
        self.store.state().withdraw(self.shards.of_user(user_id), job_id);
        Ok(())
    }

    async fn claim(&self, jobs: &[Pending]) -> Result<Vec<Claim>, QueueError> {
        let mut state = self.store.state();
        jobs.iter().map(|job| state.records.claim(job)).collect()
    }

    async fn look(&self, jobs: &[Pending]) -> Result<Vec<Claim>, QueueError> {
        let state = self.store.state();
        Ok(jobs.iter().map(|job| Pending::queued_as(state.records.find(job.job_id), job)).collect())
    }

    async fn waits(&self, jobs: &[Sought]) -> Result<Vec<bool>, QueueError> {
        let mut state = self.store.state();
        Ok(jobs.iter().map(|job| state.shard(self.shards.of_user(&job.user_id)).has(job.job_id)).collect())
    }

    async fn pending(&self, job_id: JobId) -> Result<Option<Pending>, QueueError> {
        let mut state = self.store.state();
        if job_id.is_of_key() {
            return Ok(state.records.find(job_id).filter(|pending| pending.is_queued).cloned());
        }
        Ok(state.shard(self.shards.of_job(job_id)).find(job_id).as_ref().map(Pending::waiting))
    }

    async fn forget(&self, job_ids: &[JobId]) -> Result<(), QueueError> {
        let mut state = self.store.state();
        for job_id in job_ids {
            state.records.forget(*job_id);
        }
        Ok(())
    }

    fn consumer(&self, _block_ms: u32) -> Result<Box<dyn Consumer>, QueueError> {
        Ok(Box::new(MemoryConsumer(self.store.clone())))
    }

    async fn heads(&self, shards: &[Shard]) -> Result<Vec<Entry>, QueueError> {
        let mut state = self.store.state();
        Ok(shards.iter().flat_map(|shard| state.shard(*shard).heads().collect::<Vec<_>>()).collect())
    }

    async fn depths(&self, shards: &[Shard]) -> Result<Vec<Depth>, QueueError> {
        let (mut state, now) = (self.store.state(), Utc::now());
        Ok(shards.iter().map(|shard| state.shard(*shard).depth(*shard, now)).collect())
    }

    async fn raise_watermarks(&self, _: &[Raise]) -> Result<Vec<Watermark>, QueueError> {
        Ok(Vec::new())
    }

    async fn listen(
        &self,
        _key: &EnvelopeKey,
        replica: ReplicaId,
        deliver: &(dyn Fn(Outcome) + Send + Sync),
    ) -> Result<(), QueueError> {
        let mut outcomes = self.store.state().listen(replica);
        while let Some(outcome) = outcomes.recv().await {
            deliver(outcome);
        }
        Ok(())
    }

    async fn durability(&self) -> Result<Durability, QueueError> {
        Ok(Durability::in_memory())
    }

    async fn try_write(&self) -> Result<(), QueueError> {
        Ok(())
    }
}

/// A lane's way into a [`MemoryStore`].
struct MemoryConsumer(MemoryStore);

#[async_trait]
impl Consumer for MemoryConsumer {
    async fn read(&mut self, shards: &[Shard], max_entries: usize, block_ms: u32) -> Result<Vec<Entry>, QueueError> {
        let end = Instant::now() + Duration::from_millis(block_ms.into());
        loop {
            // Before the look, so that nothing that comes after it is missed.
            let appended = self.0.0.appended.notified();
            let (entries, next_due) = self.0.state().read(shards, max_entries);
            if !entries.is_empty() || Instant::now() >= end {
                return Ok(entries);
            }
            // What ends first; the next look tells which.
            let _ = tokio::time::timeout_at(next_due.map_or(end, |due| end.min(due.into())), appended).await;
        }
    }

    async fn defer(&mut self, _early: &[(EntryRef, DateTime<Utc>)]) -> Result<(), QueueError> {
        // Nobody but this process can have set their time.
        Ok(())
    }

    async fn finish(&mut self, _key: &EnvelopeKey, finished: &Finished) -> Result<(), QueueError> {
        self.0.state().finish(finished);
        Ok(())
    }

    fn start_over(&mut self) {}
}
