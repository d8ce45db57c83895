//! Which shards this worker serves: leases in Postgres, renewed, taken, handed over.
//!
//! Every round compares three things, all read from the database: who is alive, what this worker should have
//! (rendezvous hashing over the live workers), and what it has. Whatever went wrong before, the next round puts
//! it right. Safety does not hang on this file: a batch commits only under its shards' epochs.

use std::sync::Arc;
use std::time::Duration;

use satchel_shared::domain::{Shard, ShardCount};
use satchel_shared::store::leases::{self, Lease};
use satchel_shared::store::{Pool, StoreError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Config;

/// How often the leases are looked at, in milliseconds, unless they are renewed more often.
const ROUND_MS: u32 = 500;
/// The same while a shard that this worker should have is still another's.
const EAGER_ROUND_MS: u32 = 100;

/// The leases that this worker holds, for the lanes to read.
pub(crate) type Leases = watch::Receiver<Arc<Vec<Lease>>>;

/// See the module.
pub(crate) struct Ownership {
    worker_id: Uuid,
    pool: Pool,
    shards: ShardCount,
    ttl_ms: u32,
    renew_every: Duration,
    held: watch::Sender<Arc<Vec<Lease>>>,
    doubt: Arc<Notify>,
}

impl Ownership {
    /// Of a new worker, which holds nothing yet.
    pub(crate) fn new(config: &Config, pool: Pool, shards: ShardCount) -> Self {
        Self {
            worker_id: Uuid::now_v7(),
            pool,
            shards,
            ttl_ms: config.lease_ttl_ms,
            renew_every: Duration::from_millis(config.lease_renew_ms.into()),
            held: watch::Sender::default(),
            doubt: Arc::default(),
        }
    }

    /// This worker's id: a new one for each run.
    pub(crate) fn worker_id(&self) -> Uuid {
        self.worker_id
    }

    /// The leases as they change.
    pub(crate) fn leases(&self) -> Leases {
        self.held.subscribe()
    }

    /// To be notified by a lane whose batch was fenced off: the leases are not what they seemed.
    pub(crate) fn doubt(&self) -> Arc<Notify> {
        Arc::clone(&self.doubt)
    }

    /// Keeps leases until `leaving` is cancelled, then gives all of them up.
    pub(crate) async fn keep(self, leaving: CancellationToken) {
        let mut renewed_at: Option<Instant> = None;
        while !leaving.is_cancelled() {
            let renew = renewed_at.is_none_or(|at| at.elapsed() >= self.renew_every);
            let round_ms = match self.round(renew).await {
                Ok(complete) => {
                    if renew {
                        renewed_at = Some(Instant::now());
                    }
                    if complete { ROUND_MS } else { EAGER_ROUND_MS }
                }
                Err(error) => {
                    tracing::warn!(worker.id = %self.worker_id, %error, "leases could not be looked after");
                    ROUND_MS
                }
            };
            let pause = Duration::from_millis(round_ms.into()).min(self.renew_every);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.doubt.notified() => {}
                () = leaving.cancelled() => {}
            }
        }
        self.held.send_replace(Arc::default());
        if let Err(error) = leases::leave(&self.pool, self.worker_id).await {
            tracing::warn!(worker.id = %self.worker_id, %error, "shards are free only when their leases expire");
        }
    }

    /// One round. `false` if a shard that this worker should have is not free yet.
    async fn round(&self, renew: bool) -> Result<bool, StoreError> {
        if renew {
            leases::renew(&self.pool, self.worker_id, self.ttl_ms).await?;
        }
        let workers = leases::live_workers(&self.pool).await?;
        let should_have = |shard: &Shard| shard.target(&workers) == Some(self.worker_id);
        let (mut kept, extra): (Vec<Lease>, Vec<Lease>) =
            leases::owned(&self.pool, self.worker_id).await?.into_iter().partition(|lease| should_have(&lease.shard));
        let wanted: Vec<Shard> = self
            .shards
            .all()
            .filter(should_have)
            .filter(|shard| kept.iter().all(|lease| lease.shard != *shard))
            .collect();
        if !extra.is_empty() {
            // The lanes let go first. A batch that holds a shard right now keeps `release` waiting until it has
            // committed.
            self.publish(&kept);
            let extra: Vec<Shard> = extra.into_iter().map(|lease| lease.shard).collect();
            leases::release(&self.pool, self.worker_id, &extra).await?;
        }
        let taken =
            if wanted.is_empty() { Vec::new() } else { leases::acquire(&self.pool, self.worker_id, &wanted).await? };
        let complete = taken.len() == wanted.len();
        kept.extend(taken);
        kept.sort_unstable_by_key(|lease| lease.shard);
        self.publish(&kept);
        Ok(complete)
    }

    fn publish(&self, held: &[Lease]) {
        self.held.send_if_modified(|current| {
            let changed = current.as_slice() != held;
            if changed {
                tracing::info!(worker.id = %self.worker_id, shards = held.len(), "serving another set of shards");
                *current = Arc::new(held.to_vec());
            }
            changed
        });
    }
}
