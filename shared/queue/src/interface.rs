//! What a queue can do, whatever it is made of.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use satchel_model::ids::ReplicaId;
use satchel_model::ids::{JobId, Shard, ShardCount, UserId};
use satchel_model::operations::Envelope;
use satchel_wire::envelope::EnvelopeKey;

use super::{Claim, Durability, Entry, EntryRef, Outcome, Pending, QueueError, Raise, Sought, Watermark};

/// The queue, as API and workers share it.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// The number of shards.
    fn shards(&self) -> ShardCount;

    /// Signs and appends jobs to their shards, in this order; a job whose `not_before` lies ahead is laid aside until
    /// then. Each `Ok` is as durable as the queue is set up to be ([`Queue::durability`]).
    ///
    /// A job that is already queued or decided may be queued again: the second time is a no-op for the worker.
    ///
    /// # Errors
    /// If the queue as a whole is away; then any of the jobs may have been queued all the same. The inner
    /// results tell apart what it refused.
    async fn enqueue(
        &self,
        key: &EnvelopeKey,
        envelopes: &[Envelope],
    ) -> Result<Vec<Result<(), QueueError>>, QueueError>;

    /// As [`Queue::enqueue`], but a job with an idempotency key is queued only where its id is free ([`Claim::New`]), or where
    /// the same job has it and is not seen to wait, or has somebody who waits for its outcome ([`Claim::Same`]). One that
    /// waits is left alone ([`Claim::Queued`]), and so is the job of another that has the id ([`Claim::Other`]).
    ///
    /// # Errors
    /// As [`Queue::enqueue`].
    async fn submit(
        &self,
        key: &EnvelopeKey,
        envelopes: &[&Envelope],
    ) -> Result<Vec<Result<Claim, QueueError>>, QueueError>;

    /// Claims the jobs' ids, for jobs that have an idempotency key: whoever comes first has it, for a
    /// minute or, once the job is queued, until it is decided.
    ///
    /// # Errors
    /// If the queue is away. Some ids may have been claimed all the same; claiming them again is [`Claim::Same`].
    async fn claim(&self, jobs: &[Pending]) -> Result<Vec<Claim>, QueueError>;

    /// What claiming the ids of these jobs would come to, with nothing claimed: [`Claim::New`] where no queued job has
    /// the id, though somebody may be about to queue one.
    ///
    /// # Errors
    /// If the queue is away.
    async fn look(&self, jobs: &[Pending]) -> Result<Vec<Claim>, QueueError>;

    /// Which of these jobs, that were queued before, are among the entries that wait to be applied. `true` is worth as
    /// much as an answer of [`Queue::enqueue`]: the entry is there, and leaves only when Postgres has what came of it.
    /// `false` says nothing, since a job is looked for no further than around the moment when it was queued.
    ///
    /// # Errors
    /// If the queue is away.
    async fn waits(&self, jobs: &[Sought]) -> Result<Vec<bool>, QueueError>;

    /// The record of a job that waits to be decided. A journaled job has none.
    ///
    /// # Errors
    /// If the queue is away.
    async fn pending(&self, job_id: JobId) -> Result<Option<Pending>, QueueError>;

    /// Removes records of jobs that are decided, or were not accepted after all.
    ///
    /// # Errors
    /// If the queue is away.
    async fn forget(&self, job_ids: &[JobId]) -> Result<(), QueueError>;

    /// A lane's way into the queue, whose reads wait at most `block_ms` milliseconds.
    ///
    /// # Errors
    /// If the connection cannot be set up.
    fn consumer(&self, block_ms: u32) -> Result<Box<dyn Consumer>, QueueError>;

    /// As [`Queue::enqueue`], for jobs that were accepted before and that the queue has forgotten: a delayed one has the
    /// place of its time among the others, though that be long past.
    ///
    /// # Errors
    /// As [`Queue::enqueue`].
    async fn restore(
        &self,
        key: &EnvelopeKey,
        envelopes: &[Envelope],
    ) -> Result<Vec<Result<(), QueueError>>, QueueError>;

    /// Takes a delayed job out, whether it is due or not, and any record of it.
    ///
    /// # Errors
    /// If the queue is away.
    async fn withdraw(&self, user_id: &UserId, job_id: JobId) -> Result<(), QueueError>;

    /// The first entry of each stream of these shards that has one.
    ///
    /// # Errors
    /// If the queue is away.
    async fn heads(&self, shards: &[Shard]) -> Result<Vec<Entry>, QueueError>;

    /// How much waits in these shards, one answer each, in this order.
    ///
    /// # Errors
    /// If the queue is away.
    async fn depths(&self, shards: &[Shard]) -> Result<Vec<Depth>, QueueError>;

    /// Raises shards' watermarks, each in one step with finding out what it was. Those of shards that cannot be asked are
    /// missing; all are, of a queue that is meant to forget what it has when its process ends.
    ///
    /// # Errors
    /// If the queue is away. Some may have been raised all the same.
    async fn raise_watermarks(&self, raises: &[Raise]) -> Result<Vec<Watermark>, QueueError>;

    /// Hands each outcome for jobs whose envelopes say that `replica` waits to `deliver`, until the connection is lost.
    ///
    /// # Errors
    /// The loss. Call it again; what was published in between is not repeated.
    async fn listen(
        &self,
        key: &EnvelopeKey,
        replica: ReplicaId,
        deliver: &(dyn Fn(Outcome) + Send + Sync),
    ) -> Result<(), QueueError>;

    /// Whether the queue keeps what it has answered for.
    ///
    /// # Errors
    /// If the queue is away.
    async fn durability(&self) -> Result<Durability, QueueError>;

    /// Writes something small that goes by itself: whether the queue would take jobs. To be asked seldom.
    ///
    /// # Errors
    /// If the queue is away or refuses to write.
    async fn try_write(&self) -> Result<(), QueueError>;
}

/// One lane's way into the queue.
#[async_trait]
pub trait Consumer: Send {
    /// The next entries of these shards, at most `max_entries` in all (or one a shard, if there are more shards than
    /// that), each shard's in the order in which they must be applied: any first part of them is right, too. Waits for
    /// the first one up to `block_ms`; returns none if there is none by then. Takes nothing away, and may be dropped.
    ///
    /// # Errors
    /// If the queue is away.
    async fn read(&mut self, shards: &[Shard], max_entries: usize, block_ms: u32) -> Result<Vec<Entry>, QueueError>;

    /// Gives delayed jobs that were read before their time, because somebody set it wrong, their time again.
    ///
    /// # Errors
    /// If the queue is away.
    async fn defer(&mut self, early: &[(EntryRef, DateTime<Utc>)]) -> Result<(), QueueError>;

    /// Publishes the outcomes, deletes the entries and forgets the pending records.
    ///
    /// # Errors
    /// If the queue is away. Whatever was not deleted is read again, and decided already.
    async fn finish(&mut self, key: &EnvelopeKey, finished: &Finished) -> Result<(), QueueError>;

    /// Forgets what it has seen of the shards: something went wrong, and they may be others now.
    fn start_over(&mut self);
}

/// What a lane is done with.
#[derive(Debug, Default)]
pub struct Finished {
    /// Entries to delete: they are decided, set aside or quarantined, and Postgres has it.
    pub entries: Vec<EntryRef>,
    /// Jobs that are decided.
    pub job_ids: Vec<JobId>,
    /// Outcomes that API replicas wait for.
    pub outcomes: BTreeMap<ReplicaId, Vec<Outcome>>,
}

/// How much waits in one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// The shard.
    pub shard: Shard,
    /// Entries that wait to be applied, of both classes, and delayed jobs that are due.
    pub waiting: u64,
    /// Jobs that are not due yet.
    pub delayed: u64,
    /// The age of the oldest waiting entry, by the queue's clock, in milliseconds.
    pub oldest_waiting_ms: Option<u64>,
}
