//! The ownership of shards: leases in Postgres, renewed, taken, handed over.
//!
//! Every round compares three things, all read from the database: who is alive, what this worker should have
//! (rendezvous hashing over the live workers), and what it has. Whatever went wrong before, the next round puts
//! it right. Safety does not hang on this file: a batch commits only under its shards' epochs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use satchel_model::ids::{Shard, ShardCount};
use satchel_store::leases::{self, Lease};
use satchel_store::{Session, StoreError, progress, queue_state, stats};
use satchel_tasks::{Backoff, Task};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::leased::Serving;
use super::{Active, LeasedShards};
use crate::Config;

/// The time between two rounds, in milliseconds, unless leases are renewed more often.
const ROUND_MS: u32 = 500;
/// The same while a shard that this worker should have is still another's.
const EAGER_ROUND_MS: u32 = 100;
/// The time that Postgres has for one round, in milliseconds.
const ROUND_DEADLINE_MS: u64 = 8_000;
const ROUND_DEADLINE: Duration = Duration::from_millis(ROUND_DEADLINE_MS);

/// See the module.
pub(crate) struct Ownership {
    worker_id: Uuid,
    session: Session,
    shards: ShardCount,
    ttl_ms: u32,
    renew_every: Duration,
    serving: watch::Sender<Arc<Serving>>,
    /// A batch was refused: what is owned is not what it seemed.
    recheck: Arc<Notify>,
    renewed_at: Option<Instant>,
    active: Active,
    /// The last report.
    reported: BTreeMap<Shard, u32>,
}

impl Task for Ownership {
    const NAME: &'static str = "leases";
    type Error = StoreError;

    async fn round(&mut self) -> Result<Duration, StoreError> {
        let renew = self.renewed_at.is_none_or(|at| at.elapsed() >= self.renew_every);
        // A lease must not be lost to a dead connection while a new one would work.
        let vigil = self.session.vigil();
        let is_settled = vigil.over(ROUND_DEADLINE_MS, Box::pin(self.reconcile(renew))).await?;
        if renew {
            self.renewed_at = Some(Instant::now());
        }
        Ok(self.period(if is_settled { ROUND_MS } else { EAGER_ROUND_MS }))
    }

    async fn pause(&mut self, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.recheck.notified() => {}
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::constant(self.period(ROUND_MS))
    }

    fn recover(&mut self) {
        self.session.reset();
    }

    /// Gives all leases up.
    async fn close(mut self) {
        self.serving.send_replace(Arc::default());
        self.tell_nothing_active().await;
        let left = tokio::time::timeout(ROUND_DEADLINE, leases::leave(&mut self.session, self.worker_id)).await;
        if let Err(error) = left.unwrap_or(Err(StoreError::Deadline { deadline_ms: ROUND_DEADLINE_MS })) {
            tracing::warn!(worker.id = %self.worker_id, %error, "shards are free only when their leases expire");
        }
    }
}

impl Ownership {
    /// Of a new worker, which owns nothing yet.
    pub(crate) fn new(config: &Config, shards: ShardCount) -> Result<Self, StoreError> {
        Ok(Self {
            worker_id: Uuid::now_v7(),
            session: Session::new(&config.pool)?,
            shards,
            ttl_ms: config.lease_ttl_ms,
            renew_every: Duration::from_millis(config.lease_renew_ms.into()),
            serving: watch::Sender::default(),
            recheck: Arc::default(),
            renewed_at: None,
            active: Active::default(),
            reported: BTreeMap::new(),
        })
    }

    /// This worker's id: a new one for each run.
    pub(crate) fn worker_id(&self) -> Uuid {
        self.worker_id
    }

    /// The shards that may be served, as they change.
    pub(crate) fn leased(&self) -> LeasedShards {
        LeasedShards::new(self.serving.subscribe(), Arc::clone(&self.recheck))
    }

    /// The counts of jobs in batches, for lanes to keep.
    pub(crate) fn active(&self) -> Active {
        self.active.clone()
    }

    fn period(&self, round_ms: u32) -> Duration {
        Duration::from_millis(round_ms.into()).min(self.renew_every)
    }

    /// The shards' next owner reports anew.
    async fn tell_nothing_active(&mut self) {
        let none: Vec<(Shard, u32)> = self.reported.keys().map(|shard| (*shard, 0)).collect();
        let reporting =
            tokio::time::timeout(ROUND_DEADLINE, stats::report_active(&mut self.session, self.worker_id, &none));
        if !none.is_empty() && !matches!(reporting.await, Ok(Ok(()))) {
            self.session.reset();
        }
    }

    /// Brings what is owned in line with what should be. `false` if a shard that this worker should have is not free yet, or it could not give one up.
    async fn reconcile(&mut self, renew: bool) -> Result<bool, StoreError> {
        if renew {
            self.renew().await?;
        }
        let is_paused = queue_state::is_paused(&mut self.session).await?;
        let mut workers = leases::live_workers(&mut self.session).await?;
        if !workers.contains(&self.worker_id) {
            // Postgres's clock was set, or this worker slept: either way its row says nothing any more.
            self.renew().await?;
            workers = leases::live_workers(&mut self.session).await?;
        }
        let worker_id = self.worker_id;
        let should_have = |shard: &Shard| shard.target(&workers) == Some(worker_id);
        let (mut kept, extra): (Vec<Lease>, Vec<Lease>) = leases::owned(&mut self.session, self.worker_id)
            .await?
            .into_iter()
            .partition(|lease| should_have(&lease.shard));
        let wanted: Vec<Shard> = self
            .shards
            .all()
            .filter(should_have)
            .filter(|shard| kept.iter().all(|lease| lease.shard != *shard))
            .collect();
        let mut given_up = 0;
        if !extra.is_empty() {
            // The lanes let go first. What a batch holds right now, the next round gives up.
            self.publish(&kept, is_paused);
            let extra: Vec<Shard> = extra.iter().map(|lease| lease.shard).collect();
            given_up = leases::release(&mut self.session, self.worker_id, &extra).await?;
        }
        let taken = if wanted.is_empty() {
            Vec::new()
        } else {
            leases::acquire(&mut self.session, self.worker_id, &wanted).await?
        };
        let complete = taken.len() == wanted.len() && given_up == extra.len();
        kept.extend(taken);
        kept.sort_unstable_by_key(|lease| lease.shard);
        self.publish(&kept, is_paused);
        self.report(&kept, renew).await?;
        Ok(complete)
    }

    /// Says that this worker lives.
    async fn renew(&mut self) -> Result<(), StoreError> {
        for ghost in leases::renew(&mut self.session, self.worker_id, self.ttl_ms).await? {
            tracing::error!(
                worker.id = %ghost,
                "a worker claimed to live for longer than any may, or Postgres's clock was set back: it is forgotten"
            );
        }
        Ok(())
    }

    /// Tells, for the statistics, what is being applied, and how much was lately.
    async fn report(&mut self, kept: &[Lease], with_rates: bool) -> Result<(), StoreError> {
        let active = self.active.snapshot();
        if active != self.reported {
            let count = |shard: &Shard| (*shard, active.get(shard).copied().unwrap_or(0));
            let changed: Vec<(Shard, u32)> = self.reported.keys().chain(active.keys()).map(count).collect();
            let changed: BTreeMap<Shard, u32> = changed.into_iter().collect();
            let changed: Vec<(Shard, u32)> = changed.into_iter().collect();
            stats::report_active(&mut self.session, self.worker_id, &changed).await?;
            self.reported = active;
        }
        if with_rates && !kept.is_empty() {
            let shards: Vec<Shard> = kept.iter().map(|lease| lease.shard).collect();
            stats::sample_rates(&mut self.session, &shards).await?;
            for (shard, events) in progress::step_over(&mut self.session, &shards).await? {
                tracing::error!(%shard, events, "somebody added events ahead of the shard's counter: it steps over them");
                metrics::counter!("satchel_worker_events_stepped_over_total").increment(1);
            }
        }
        Ok(())
    }

    fn publish(&self, leases: &[Lease], is_paused: bool) {
        self.serving.send_if_modified(|current| {
            if current.leases != leases {
                tracing::info!(worker.id = %self.worker_id, shards = leases.len(), "serving another set of shards");
            }
            if current.is_paused != is_paused {
                tracing::info!(worker.id = %self.worker_id, paused = is_paused, "the queue was paused or resumed");
            }
            let serving = Serving { leases: leases.to_vec(), is_paused };
            let changed = **current != serving;
            if changed {
                *current = Arc::new(serving);
            }
            changed
        });
    }
}
