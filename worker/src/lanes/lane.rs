//! A lane: reads whatever waits on its shards, applies it as one transaction, tells the outcomes, deletes it.
//!
//! There is no timer and no fixed batch size: while one batch commits, the next one gathers. And there is no
//! state: what is not deleted is read again, in order, and what was decided is not decided twice.

use std::time::Duration;

use satchel_model::ids::{Shard, ShardCount};
use satchel_queue::{Entry, Queue};
use satchel_store::StoreError;
use satchel_store::leases::Lease;
use satchel_tasks::{Backoff, Retries};
use tokio::time::Instant;

use super::batch_limit::BatchLimit;
use super::scheduler::{self, LaneHandle};
use crate::Config;
use crate::batch::{BLOCK_MS, Decoded, Pipeline, RoundError, decode};
use crate::shards::{LeasedShards, Sifted};

/// The time between two looks for parked jobs whose retry is due.
const RETRY_LOOK: Duration = Duration::from_millis(500);
/// The time between two looks of a lane without shards: the passing of time may give it some.
const IDLE_LOOK: Duration = Duration::from_secs(1);
/// The waits after failures of Postgres. The longest keeps recovery well below half a minute after the trouble has ended.
const STORE_BACKOFF: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(8));
/// The waits after failures of Redis: looking again costs little.
const QUEUE_BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(2));

/// See the module.
pub(crate) struct Lane {
    number: u16,
    schedule: LaneHandle,
    limit: BatchLimit,
    shards: ShardCount,
    pub(crate) pipeline: Pipeline,
    leased: LeasedShards,
    looked_for_retries: Option<Instant>,
    queue_retries: Retries,
    store_retries: Retries,
}

impl Lane {
    /// A lane of a worker; it serves the shards that the scheduler gives it.
    pub(crate) fn new(
        number: u16,
        schedule: LaneHandle,
        config: &Config,
        queue: &dyn Queue,
        pipeline: Pipeline,
        leased: LeasedShards,
    ) -> Self {
        Self {
            number,
            schedule,
            limit: BatchLimit::new(config.max_batch_jobs),
            shards: queue.shards(),
            pipeline,
            leased,
            looked_for_retries: None,
            queue_retries: QUEUE_BACKOFF.retries(),
            store_retries: STORE_BACKOFF.retries(),
        }
    }

    /// Serves until the shutdown; a batch in flight is finished first.
    pub(crate) async fn run(mut self) {
        let shutdown = self.pipeline.shutdown.clone();
        while !shutdown.is_cancelled() {
            let turn = self.turn().await;
            self.schedule.release();
            match turn {
                Ok(()) => {
                    self.queue_retries.reset();
                    self.store_retries.reset();
                }
                Err(RoundError::Orphaned) => break,
                Err(error) => {
                    let retries = self.failed(&error);
                    shutdown.run_until_cancelled(retries.wait()).await;
                }
            }
        }
        self.pipeline.session.close().await;
    }

    /// One turn: retries that are due, or else one batch of what waits.
    async fn turn(&mut self) -> Result<(), RoundError> {
        let shutdown = self.pipeline.shutdown.clone();
        if self.looked_for_retries.is_none_or(|at| at.elapsed() >= RETRY_LOOK) {
            let leases = self.leases();
            let leases = self.schedule.claim(leases);
            let found_some = !leases.is_empty() && self.retry_due(&leases).await?;
            self.schedule.release();
            // With some there may be more.
            self.looked_for_retries = (!found_some).then(Instant::now);
        }
        let attempts = i32::try_from(self.store_retries.failures()).unwrap_or(i32::MAX).saturating_add(1);
        match shutdown.run_until_cancelled(self.read()).await {
            Some(Ok((leases, entries))) if !entries.is_empty() => {
                self.serve(&leases, entries, attempts).await?;
                self.limit.passed();
                Ok(())
            }
            Some(Ok(_)) | None => Ok(()),
            Some(Err(error)) => Err(error),
        }
    }

    /// Tells of a failure; the count whose wait follows it.
    fn failed(&mut self, error: &RoundError) -> &mut Retries {
        if matches!(error, RoundError::Store(_) | RoundError::Queue(_)) {
            self.limit.failed();
        }
        match error {
            // The connection alone was dead: a new one may do.
            RoundError::Store(StoreError::Lost) => {
                tracing::warn!(lane = self.number, %error, "the lane tries again on a new connection");
                metrics::counter!("satchel_worker_retries_total", "store" => "postgres").increment(1);
            }
            RoundError::Store(_) => {
                tracing::warn!(lane = self.number, %error, "Postgres trouble: the lane waits and tries again");
                metrics::counter!("satchel_worker_retries_total", "store" => "postgres").increment(1);
                return &mut self.store_retries;
            }
            RoundError::Queue(_) => {
                // What was seen of the shards may be no more.
                self.pipeline.consumer.start_over();
                tracing::warn!(lane = self.number, %error, "Redis trouble: the lane waits and reads again");
                metrics::counter!("satchel_worker_retries_total", "store" => "redis").increment(1);
            }
            RoundError::Fenced => {
                tracing::warn!(lane = self.number, "a batch was fenced off: another worker has its shard");
                metrics::counter!("satchel_worker_batches_fenced_total").increment(1);
                self.leased.recheck();
            }
            RoundError::Rules(_) | RoundError::Locked(_) => {
                tracing::warn!(lane = self.number, %error, "the lane waits");
            }
            RoundError::Paused => self.leased.recheck(),
            RoundError::Orphaned => {}
        }
        &mut self.queue_retries
    }

    /// Waits until there is something to do, or for [`BLOCK_MS`]. Reading takes nothing away, so this may be dropped at
    /// any point.
    async fn read(&mut self) -> Result<(Vec<Lease>, Vec<Entry>), RoundError> {
        let leases = self.leases();
        let shards: Vec<Shard> = leases.iter().map(|lease| lease.shard).collect();
        if shards.is_empty() {
            tokio::select! {
                changed = self.leased.changed() => changed.map_err(|_| RoundError::Orphaned)?,
                () = self.schedule.changed() => {}
                () = tokio::time::sleep(IDLE_LOOK) => {}
            }
            return Ok((leases, Vec::new()));
        }
        let max_jobs = self.max_jobs();
        tokio::select! {
            entries = self.pipeline.consumer.read(&shards, max_jobs, BLOCK_MS) => Ok((leases, entries?)),
            changed = self.leased.changed() => {
                changed.map_err(|_| RoundError::Orphaned)?;
                Ok((leases, Vec::new()))
            }
            () = self.schedule.changed() => Ok((leases, Vec::new())),
        }
    }

    /// Makes a batch of what is still the lane's: meanwhile another lane may have joined or left.
    async fn serve(&mut self, leases: &[Lease], mut entries: Vec<Entry>, attempts: i32) -> Result<(), RoundError> {
        let touched = scheduler::leases_of(leases, entries.iter().map(|entry| entry.shard));
        let claimed = self.schedule.claim(touched.clone());
        self.schedule.adjust(entries.len());
        if claimed.len() < touched.len() {
            entries.retain(|entry| claimed.iter().any(|lease| lease.shard == entry.shard));
        }
        self.batch(&claimed, entries, attempts).await
    }

    /// Most jobs to take at once.
    pub(crate) fn max_jobs(&self) -> usize {
        self.limit.jobs()
    }

    /// The leases that this lane serves now: none while the queue is paused.
    fn leases(&mut self) -> Vec<Lease> {
        let mut leases = self.leased.leases();
        leases.retain(|lease| !self.pipeline.stalls.has(lease.shard));
        self.schedule.readable(leases)
    }

    /// One batch, from entries to their deletion.
    async fn batch(&mut self, leases: &[Lease], entries: Vec<Entry>, attempts: i32) -> Result<(), RoundError> {
        let Decoded { deliveries, quarantined, waiting } = decode(entries, &self.pipeline.keys, self.shards);
        for (shard, what) in waiting {
            tracing::error!(%shard, "{what}: the shard waits for a newer worker");
            metrics::counter!("satchel_worker_shards_paused_total").increment(1);
            self.pipeline.stalls.stall(shard);
        }
        let Sifted { sound, suspected } = self.pipeline.stalls.sift(deliveries, |delivery| delivery.shard);
        if !(sound.is_empty() && quarantined.is_empty()) {
            self.pipeline.apply(sound, quarantined, leases, attempts).await?;
        }
        self.pipeline.probe(suspected, leases).await
    }
}
