//! One batch from delivery to deletion: apply it as one transaction, tell the outcomes, delete it from the queue.

use std::sync::Arc;
use std::time::Duration;

use satchel_functions::Signals;
use satchel_model::fold::Disposition;
use satchel_model::ids::Shard;
use satchel_model::json::raw;
use satchel_queue::{Consumer, EntryRef, Finished, Outcome, Place, Queue, QueueError};
use satchel_store::leases::Lease;
use satchel_store::quarantine::Quarantined;
use satchel_store::rules::Patience;
use satchel_store::{DEADLINE_MS, PoolConfig, Session, StoreError};
use satchel_wire::envelope::EnvelopeKey;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::clock::DatabaseClock;
use super::decode::{Delivery, Source};
use super::transaction::{Applied, Applier, ApplyError, Portion};
use super::verify::{self, Verifier};
use crate::Config;
use crate::config::EnvelopeKeys;
use crate::shards::{Active, Stalls};

/// How long a read waits for the first entry, in milliseconds. A delayed job that comes meanwhile and is due sooner is so
/// late at most; none overtakes it.
pub(crate) const BLOCK_MS: u32 = 200;

/// Longest run of a lane's statement, in milliseconds, unless its transaction says otherwise.
const STATEMENT_TIMEOUT_MS: u64 = 5_000;

/// A lane's means.
pub(crate) struct Pipeline {
    pub(crate) session: Session,
    pub(crate) applier: Applier,
    pub(crate) consumer: Box<dyn Consumer>,
    pub(crate) keys: EnvelopeKeys,
    pub(crate) stalls: Stalls,
    /// How often a job is tried before it is parked.
    pub(crate) max_attempts: i32,
    /// The wait after a job's first failure.
    pub(crate) first_retry: Duration,
    pub(crate) shutdown: CancellationToken,
    queue: Arc<dyn Queue>,
    active: Active,
    /// What functions are let know.
    signals: Arc<Signals>,
}

/// Why a round came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoundError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("fenced off")]
    Fenced,
    #[error("leases are locked by another session")]
    Locked(Vec<Shard>),
    #[error("the queue is paused")]
    Paused,
    #[error("the rules are being changed: {0}")]
    Rules(#[source] StoreError),
    #[error("nobody keeps the leases any more")]
    Orphaned,
}

impl From<ApplyError> for RoundError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Fenced => Self::Fenced,
            ApplyError::Locked(shards) => Self::Locked(shards),
            ApplyError::Paused => Self::Paused,
            ApplyError::Rules(error) => Self::Rules(error),
            ApplyError::Store(error) => Self::Store(error),
        }
    }
}

impl Pipeline {
    pub(crate) fn new(
        config: &Config,
        queue: Arc<dyn Queue>,
        worker_id: Uuid,
        active: Active,
        signals: Arc<Signals>,
        clock: DatabaseClock,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            session: Session::new(&PoolConfig { statement_timeout_ms: STATEMENT_TIMEOUT_MS, ..config.pool.clone() })?,
            applier: Applier::new(
                worker_id,
                Verifier::new(config.envelope_keys.clone(), queue.shards()),
                config.ledger_keys.clone(),
                clock,
            ),
            consumer: queue.consumer(BLOCK_MS)?,
            keys: config.envelope_keys.clone(),
            stalls: Stalls::default(),
            max_attempts: config.max_attempts,
            first_retry: Duration::from_millis(config.job_retry_ms.into()),
            shutdown,
            queue,
            active,
            signals,
        })
    }

    /// Applies and finishes a batch, and takes what is finished out of it; what is left in it is for another batch.
    pub(crate) async fn run(
        &mut self,
        batch: &mut Vec<Delivery>,
        quarantined: &[(EntryRef, Quarantined)],
        leased: &[Lease],
        attempts: i32,
        patience: Patience,
    ) -> Result<(), RoundError> {
        let started = Instant::now();
        let in_batch = self.active.enter(batch.iter().map(|delivery| delivery.shard));
        let bodies: Vec<Quarantined> = quarantined.iter().map(|(_, entry)| entry.clone()).collect();
        let portion = Portion { deliveries: batch, quarantined: &bodies, leased, attempts, patience };
        let Self { session, applier, .. } = self;
        let applied = session.run(DEADLINE_MS, async |session| applier.apply(session, portion).await).await?;
        drop(in_batch);
        self.signals.committed(applied.decided);
        measure(&applied, started);
        verify::tell(&applied.refused, "journal");
        put_back(&*self.queue, &mut *self.consumer, &self.keys.current, batch, &applied).await?;
        let mut finished = Finished::default();
        *batch = self.account(std::mem::take(batch), applied, &mut finished);
        for (reference, entry) in quarantined {
            tracing::error!(shard = %entry.shard, entry.id = entry.entry_id, reason = entry.reason, "entry quarantined");
            metrics::counter!("satchel_worker_entries_quarantined_total").increment(1);
            finished.entries.push(reference.clone());
        }
        Ok(self.consumer.finish(&self.keys.current, &finished).await?)
    }

    /// Notes what the queue can forget, and who waits for which outcome. Gives back what was left.
    fn account(&mut self, batch: Vec<Delivery>, applied: Applied, finished: &mut Finished) -> Vec<Delivery> {
        let mut left = Vec::new();
        let is_stuck =
            applied.extra.is_empty() && applied.refused.is_empty() && applied.dispositions.iter().all(Option::is_none);
        for (delivery, disposition) in applied.extra {
            tell(&delivery, disposition, finished);
        }
        for (delivery, disposition) in batch.into_iter().zip(applied.dispositions) {
            let Some(disposition) = disposition else {
                if is_stuck {
                    // It would be read again at once, and come to nothing again.
                    self.stalls.stall(delivery.shard);
                }
                left.push(delivery);
                continue;
            };
            self.stalls.clear(delivery.shard);
            let keeps_waiting = matches!(disposition, Disposition::Early);
            if keeps_waiting {
                // Where the clocks differ, it comes again at once.
                self.stalls.stall(delivery.shard);
            }
            tell(&delivery, disposition, finished);
            forget(delivery, keeps_waiting, finished);
        }
        left
    }

    /// Parks a job in Postgres and takes it out of the queue.
    pub(crate) async fn park(
        &mut self,
        delivery: Delivery,
        error: &str,
        retry_in_ms: Option<u32>,
        leased: &[Lease],
    ) -> Result<(), RoundError> {
        let applier = &mut self.applier;
        let park = async |session: &mut Session| applier.park(session, &delivery, error, retry_in_ms, leased).await;
        self.session.run(DEADLINE_MS, park).await?;
        let mut finished = Finished::default();
        forget(delivery, false, &mut finished);
        Ok(self.consumer.finish(&self.keys.current, &finished).await?)
    }
}

/// Jobs that came before their time go back to where delayed jobs wait, before their entries are deleted; those that are
/// there get their time again.
async fn put_back(
    queue: &dyn Queue,
    consumer: &mut dyn Consumer,
    key: &EnvelopeKey,
    batch: &[Delivery],
    applied: &Applied,
) -> Result<(), QueueError> {
    let (mut delayed, mut others) = (Vec::new(), Vec::new());
    for (delivery, disposition) in batch.iter().zip(&applied.dispositions) {
        let Delivery { envelope, source, .. } = delivery;
        match (disposition, source, envelope.job.not_before) {
            (Some(Disposition::Early), Source::Queue(entry), Some(due)) if entry.place == Place::Delayed => {
                delayed.push((entry.clone(), due));
            }
            (Some(Disposition::Early), ..) => others.push(envelope.clone()),
            _ => {}
        }
    }
    if delayed.is_empty() && others.is_empty() {
        return Ok(());
    }
    tracing::warn!(jobs = delayed.len() + others.len(), "delayed jobs came before their time: they are put back");
    consumer.defer(&delayed).await?;
    queue.enqueue(key, &others).await?.into_iter().collect()
}

/// Who waits for a decided job is told.
fn tell(delivery: &Delivery, disposition: Disposition, finished: &mut Finished) {
    let envelope = &delivery.envelope;
    if let (Disposition::Recorded(record), Some(replica)) = (disposition, envelope.reply_to) {
        let outcome =
            Outcome { job_id: envelope.job_id, request_id: envelope.request_id.clone(), document: raw(&record) };
        finished.outcomes.entry(replica).or_default().push(outcome);
    }
}

/// What came from the queue, it can forget; but for the record of a job that keeps waiting there.
fn forget(delivery: Delivery, keeps_waiting: bool, finished: &mut Finished) {
    if let Source::Queue(entry) = delivery.source {
        if keeps_waiting && entry.place == Place::Delayed {
            return;
        }
        finished.entries.push(entry);
        if !delivery.envelope.journaled && !keeps_waiting {
            finished.job_ids.push(delivery.envelope.job_id);
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
