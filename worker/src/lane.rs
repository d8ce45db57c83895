//! A lane: reads whatever waits on its shards, applies it as one transaction, tells the outcomes, deletes it.
//!
//! There is no timer and no fixed batch size: while one batch commits, the next one gathers. And there is no
//! state: what is not deleted is read again, in order, and what was decided is not decided twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use satchel_shared::domain::{Shard, ShardCount, raw};
use satchel_shared::queue::{Consumer, Entry, Finished, Outcome, Queue, QueueError};
use satchel_shared::store::leases::Lease;
use satchel_shared::store::{Session, StoreError};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::apply::{Applied, Applier, ApplyError};
use crate::config::EnvelopeKeys;
use crate::decode::{Decoded, Delivery, decode};
use crate::ownership::{Leases, Ownership};
use crate::retry::Backoff;

/// How long a read waits for the first entry, in milliseconds.
const BLOCK_MS: u32 = 500;
/// How long Postgres has for one batch, in milliseconds: longer than it lets any statement or lock take.
const BATCH_DEADLINE_MS: u64 = 40_000;
const BATCH_DEADLINE: Duration = Duration::from_millis(BATCH_DEADLINE_MS);
/// How long a shard is left alone whose next job needs a newer worker.
const NEWER_WORKER_PAUSE: Duration = Duration::from_secs(2);
/// The wait after the first failure of Postgres; of Redis.
const STORE_RETRY: Duration = Duration::from_secs(2);
const QUEUE_RETRY: Duration = Duration::from_millis(250);

/// See the module.
pub(crate) struct Lane {
    number: u16,
    lanes: u16,
    max_batch_jobs: usize,
    shards: ShardCount,
    keys: EnvelopeKeys,
    consumer: Consumer,
    applier: Applier,
    session: Session,
    leases: Leases,
    doubt: Arc<Notify>,
    paused: HashMap<Shard, Instant>,
}

/// Why a round came to nothing.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("fenced off")]
    Fenced,
    #[error("nobody keeps the leases any more")]
    Orphaned,
}

impl From<ApplyError> for RoundError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Fenced => Self::Fenced,
            ApplyError::Store(error) => Self::Store(error),
        }
    }
}

impl Lane {
    /// Lane `number` of a worker; it serves every shard whose number leaves that rest.
    pub(crate) fn new(number: u16, config: &Config, queue: &Queue, ownership: &Ownership) -> anyhow::Result<Self> {
        Ok(Self {
            number,
            lanes: config.lanes,
            max_batch_jobs: config.max_batch_jobs,
            shards: queue.shards(),
            keys: config.envelope_keys.clone(),
            consumer: queue.consumer(BLOCK_MS)?,
            applier: Applier::new(ownership.worker_id()),
            session: Session::new(&config.pool)?,
            leases: ownership.leases(),
            doubt: ownership.doubt(),
            paused: HashMap::new(),
        })
    }

    /// Serves until `shutdown` is cancelled; a batch in flight is finished first.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let (mut queue_backoff, mut store_backoff) = (Backoff::new(QUEUE_RETRY), Backoff::new(STORE_RETRY));
        loop {
            // What failed is tried again in smaller portions: a batch that is too much for a slow link or for one
            // transaction still gets done.
            let failures = queue_backoff.failures().max(store_backoff.failures());
            let most = (self.max_batch_jobs >> failures.min(16)).max(1);
            let round = match shutdown.run_until_cancelled(self.read(most)).await {
                Some(Ok((held, entries))) => self.round(&held, entries, store_backoff.failures() + 1).await,
                Some(Err(error)) => Err(error),
                None => break,
            };
            let wait = match round {
                Ok(()) => {
                    queue_backoff.reset();
                    store_backoff.reset();
                    continue;
                }
                Err(RoundError::Fenced) => {
                    tracing::warn!(lane = self.number, "a batch was fenced off: another worker has its shard");
                    metrics::counter!("satchel_worker_batches_fenced_total").increment(1);
                    self.doubt.notify_one();
                    &mut queue_backoff
                }
                Err(RoundError::Orphaned) => break,
                Err(RoundError::Queue(error)) => {
                    // An answer that is still under way would come before the next one's.
                    self.consumer.reconnect();
                    tracing::warn!(lane = self.number, %error, "Redis trouble: the lane waits and reads again");
                    metrics::counter!("satchel_worker_retries_total", "store" => "redis").increment(1);
                    &mut queue_backoff
                }
                Err(RoundError::Store(error)) => {
                    tracing::warn!(lane = self.number, %error, "Postgres trouble: the lane waits and tries again");
                    metrics::counter!("satchel_worker_retries_total", "store" => "postgres").increment(1);
                    &mut store_backoff
                }
            };
            shutdown.run_until_cancelled(wait.wait()).await;
        }
        self.session.close().await;
    }

    /// Waits until there is something to do. Reading takes nothing away, so this may be dropped at any point.
    async fn read(&mut self, most: usize) -> Result<(Vec<Lease>, Vec<Entry>), RoundError> {
        loop {
            let held = self.held();
            let shards: Vec<Shard> = held.iter().map(|lease| lease.shard).collect();
            if shards.is_empty() {
                // With paused shards there is a time to look again, without any only a change of leases.
                let pause = if self.paused.is_empty() { Duration::MAX } else { NEWER_WORKER_PAUSE };
                if let Ok(changed) = tokio::time::timeout(pause, self.leases.changed()).await {
                    changed.map_err(|_| RoundError::Orphaned)?;
                }
                continue;
            }
            let entries = tokio::select! {
                entries = self.consumer.read(&shards, most, BLOCK_MS) => entries?,
                changed = self.leases.changed() => {
                    changed.map_err(|_| RoundError::Orphaned)?;
                    continue;
                }
            };
            if !entries.is_empty() {
                return Ok((held, entries));
            }
        }
    }

    /// The leases that this lane serves now.
    fn held(&mut self) -> Vec<Lease> {
        let now = Instant::now();
        self.paused.retain(|_, until| *until > now);
        let leases = self.leases.borrow_and_update();
        let mine = |lease: &&Lease| lease.shard.get() % self.lanes == self.number;
        leases.iter().filter(mine).filter(|lease| !self.paused.contains_key(&lease.shard)).copied().collect()
    }

    /// One batch, from entries to their deletion.
    async fn round(&mut self, held: &[Lease], entries: Vec<Entry>, attempt: u32) -> Result<(), RoundError> {
        let Decoded { deliveries, quarantined, waiting } = decode(entries, &self.keys, self.shards);
        for (shard, what) in waiting {
            tracing::error!(%shard, "{what}: the shard waits for a newer worker");
            metrics::counter!("satchel_worker_shards_paused_total").increment(1);
            self.paused.insert(shard, Instant::now() + NEWER_WORKER_PAUSE);
        }
        if deliveries.is_empty() && quarantined.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let attempts = i32::try_from(attempt).unwrap_or(i32::MAX);
        let applying = self.applier.apply(&mut self.session, &deliveries, &quarantined, held, attempts);
        let applied = tokio::time::timeout(BATCH_DEADLINE, applying).await;
        let applied = applied.unwrap_or(Err(StoreError::Deadline { deadline_ms: BATCH_DEADLINE_MS }.into()));
        if applied.is_err() {
            self.session.reset();
        }
        let applied = applied?;
        measure(&applied, started);
        let mut finished = Finished::default();
        account(deliveries, applied, &mut finished);
        for entry in quarantined {
            tracing::error!(shard = %entry.shard, entry.id = entry.entry_id, reason = entry.reason, "entry set aside");
            metrics::counter!("satchel_worker_entries_quarantined_total").increment(1);
            finished.entries.push((entry.shard, entry.entry_id));
        }
        Ok(self.consumer.finish(&self.keys.current, &finished).await?)
    }
}

/// Notes what the queue can forget, and who waits for which outcome.
fn account(deliveries: Vec<Delivery>, applied: Applied, finished: &mut Finished) {
    for (Delivery { envelope, shard, entry_id, .. }, outcome) in deliveries.into_iter().zip(applied.outcomes) {
        finished.entries.push((shard, entry_id));
        finished.job_ids.push(envelope.job_id);
        if let Some(replica) = envelope.reply_to {
            let outcome = Outcome { job_id: envelope.job_id, request_id: envelope.request_id, document: raw(&outcome) };
            finished.outcomes.entry(replica).or_default().push(outcome);
        }
    }
}

fn measure(applied: &Applied, started: Instant) {
    let jobs = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    metrics::counter!("satchel_worker_jobs_decided_total").increment(jobs(applied.decided));
    metrics::counter!("satchel_worker_jobs_redelivered_total").increment(jobs(applied.redelivered));
    metrics::counter!("satchel_worker_batches_total").increment(1);
    metrics::histogram!("satchel_worker_batch_seconds").record(started.elapsed().as_secs_f64());
}
