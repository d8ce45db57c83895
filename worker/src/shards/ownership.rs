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
use satchel_store::{Session, StoreError, queue_state, stats};
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

/// See the module.
pub(crate) struct Ownership {
    session: Session,
    keeper: Keeper,
    renew_every: Duration,
    renewed_at: Option<Instant>,
    /// A batch was refused: what is owned is not what it seemed.
    recheck: Arc<Notify>,
}

/// Who owns.
struct Keeper {
    worker_id: Uuid,
    shards: ShardCount,
    ttl_ms: u32,
    serving: watch::Sender<Arc<Serving>>,
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
        let keeper = &mut self.keeper;
        let reconcile = async |session: &mut Session| keeper.reconcile(session, renew).await;
        let is_settled = self.session.run(ROUND_DEADLINE_MS, reconcile).await?;
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

    /// Gives all leases up.
    async fn close(mut self) {
        self.keeper.serving.send_replace(Arc::default());
        let keeper = &self.keeper;
        let report = async |session: &mut Session| keeper.report_nothing_active(session).await;
        // The shards' next owner reports anew.
        let _ = self.session.run(ROUND_DEADLINE_MS, report).await;
        let worker_id = self.keeper.worker_id;
        let leave = async |session: &mut Session| leases::leave(session, worker_id).await;
        if let Err(error) = self.session.run(ROUND_DEADLINE_MS, leave).await {
            tracing::warn!(worker.id = %worker_id, %error, "shards are free only when their leases expire");
        }
    }
}

impl Ownership {
    /// Of a new worker, which owns nothing yet.
    pub(crate) fn new(config: &Config, shards: ShardCount) -> Result<Self, StoreError> {
        let keeper = Keeper {
            worker_id: Uuid::now_v7(),
            shards,
            ttl_ms: config.lease_ttl_ms,
            serving: watch::Sender::default(),
            active: Active::default(),
            reported: BTreeMap::new(),
        };
        Ok(Self {
            session: Session::new(&config.pool)?,
            keeper,
            renew_every: Duration::from_millis(config.lease_renew_ms.into()),
            renewed_at: None,
            recheck: Arc::default(),
        })
    }

    /// This worker's id: a new one for each run.
    pub(crate) fn worker_id(&self) -> Uuid {
        self.keeper.worker_id
    }

    /// The shards that may be served, as they change.
    pub(crate) fn leased(&self) -> LeasedShards {
        LeasedShards::new(self.keeper.serving.subscribe(), Arc::clone(&self.recheck))
    }

    /// The counts of jobs in batches, for lanes to keep.
    pub(crate) fn active(&self) -> Active {
        self.keeper.active.clone()
    }

    fn period(&self, round_ms: u32) -> Duration {
        Duration::from_millis(round_ms.into()).min(self.renew_every)
    }
}

impl Keeper {
    async fn report_nothing_active(&self, session: &mut Session) -> Result<(), StoreError> {
        let none: Vec<(Shard, u32)> = self.reported.keys().map(|shard| (*shard, 0)).collect();
        if none.is_empty() { Ok(()) } else { stats::report_active(session, self.worker_id, &none).await }
    }

    /// Brings what is owned in line with what should be. `false` if a shard that this worker should have is not free yet, or it could not give one up.
    async fn reconcile(&mut self, session: &mut Session, renew: bool) -> Result<bool, StoreError> {
        if renew {
            self.renew(session).await?;
        }
        let is_paused = queue_state::is_paused(session).await?;
        let mut workers = leases::live_workers(session).await?;
        if !workers.contains(&self.worker_id) {
            // Postgres's clock was set, or this worker slept: either way its row says nothing any more.
            self.renew(session).await?;
            workers = leases::live_workers(session).await?;
        }
        let worker_id = self.worker_id;
        let should_have = |shard: &Shard| shard.target(&workers) == Some(worker_id);
        let (mut kept, extra): (Vec<Lease>, Vec<Lease>) =
            leases::owned(session, self.worker_id).await?.into_iter().partition(|lease| should_have(&lease.shard));
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
            given_up = leases::release(session, self.worker_id, &extra).await?;
        }
        let taken =
            if wanted.is_empty() { Vec::new() } else { leases::acquire(session, self.worker_id, &wanted).await? };
        let complete = taken.len() == wanted.len() && given_up == extra.len();
        kept.extend(taken);
        kept.sort_unstable_by_key(|lease| lease.shard);
        self.publish(&kept, is_paused);
        self.report(session, &kept, renew).await?;
        Ok(complete)
    }

    /// Says that this worker lives.
    async fn renew(&self, session: &mut Session) -> Result<(), StoreError> {
        for ghost in leases::renew(session, self.worker_id, self.ttl_ms).await? {
            tracing::error!(
                worker.id = %ghost,
                "a worker claimed to live for longer than any may, or Postgres's clock was set back: it is forgotten"
            );
        }
        Ok(())
    }

    /// Tells, for the statistics, what is being applied, and how much was lately.
    async fn report(&mut self, session: &mut Session, kept: &[Lease], with_rates: bool) -> Result<(), StoreError> {
        let active = self.active.snapshot();
        if active != self.reported {
            let count = |shard: &Shard| (*shard, active.get(shard).copied().unwrap_or(0));
            let changed: Vec<(Shard, u32)> = self.reported.keys().chain(active.keys()).map(count).collect();
            let changed: BTreeMap<Shard, u32> = changed.into_iter().collect();
            let changed: Vec<(Shard, u32)> = changed.into_iter().collect();
            stats::report_active(session, self.worker_id, &changed).await?;
            self.reported = active;
        }
        if with_rates && !kept.is_empty() {
            let shards: Vec<Shard> = kept.iter().map(|lease| lease.shard).collect();
            stats::sample_rates(session, &shards).await?;
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
