//! Which shards this worker serves: leases in Postgres, renewed, taken, handed over.
//!
//! Every round compares three things, all read from the database: who is alive, what this worker should have
//! (rendezvous hashing over the live workers), and what it has. Whatever went wrong before, the next round puts
//! it right. Safety does not hang on this file: a batch commits only under its shards' epochs.

use std::sync::Arc;
use std::time::Duration;

use satchel_shared::domain::{Shard, ShardCount};
use satchel_shared::store::leases::{self, Lease};
use satchel_shared::store::{Session, StoreError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Config;

/// How often the leases are looked at, in milliseconds, unless they are renewed more often.
const ROUND_MS: u32 = 500;
/// The same while a shard that this worker should have is still another's.
const EAGER_ROUND_MS: u32 = 100;
/// How long Postgres has for one round, in milliseconds.
const ROUND_DEADLINE_MS: u64 = 8_000;
const ROUND_DEADLINE: Duration = Duration::from_millis(ROUND_DEADLINE_MS);

/// The leases that this worker holds, for the lanes to read.
pub(crate) type Leases = watch::Receiver<Arc<Vec<Lease>>>;

/// See the module.
pub(crate) struct Ownership {
    worker_id: Uuid,
    session: Session,
    shards: ShardCount,
    ttl_ms: u32,
    renew_every: Duration,
    held: watch::Sender<Arc<Vec<Lease>>>,
    doubt: Arc<Notify>,
}

impl Ownership {
    /// Of a new worker, which holds nothing yet.
    pub(crate) fn new(config: &Config, shards: ShardCount) -> Result<Self, StoreError> {
        Ok(Self {
            worker_id: Uuid::now_v7(),
            session: Session::new(&config.pool)?,
            shards,
            ttl_ms: config.lease_ttl_ms,
            renew_every: Duration::from_millis(config.lease_renew_ms.into()),
            held: watch::Sender::default(),
            doubt: Arc::default(),
        })
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
    pub(crate) async fn keep(mut self, leaving: CancellationToken) {
        let mut renewed_at: Option<Instant> = None;
        while !leaving.is_cancelled() {
            let renew = renewed_at.is_none_or(|at| at.elapsed() >= self.renew_every);
            let round = tokio::time::timeout(ROUND_DEADLINE, self.round(renew)).await;
            let round_ms = match round.unwrap_or(Err(StoreError::Deadline { deadline_ms: ROUND_DEADLINE_MS })) {
                Ok(complete) => {
                    if renew {
                        renewed_at = Some(Instant::now());
                    }
                    if complete { ROUND_MS } else { EAGER_ROUND_MS }
                }
                Err(error) => {
                    tracing::warn!(worker.id = %self.worker_id, %error, "leases could not be looked after");
                    self.session.reset();
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
        let left = tokio::time::timeout(ROUND_DEADLINE, leases::leave(&mut self.session, self.worker_id)).await;
        if let Err(error) = left.unwrap_or(Err(StoreError::Deadline { deadline_ms: ROUND_DEADLINE_MS })) {
            tracing::warn!(worker.id = %self.worker_id, %error, "shards are free only when their leases expire");
        }
    }

    /// One round. `false` if a shard that this worker should have is not free yet.
    async fn round(&mut self, renew: bool) -> Result<bool, StoreError> {
        if renew {
            leases::renew(&mut self.session, self.worker_id, self.ttl_ms).await?;
        }
        let workers = leases::live_workers(&mut self.session).await?;
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
        if !extra.is_empty() {
            // The lanes let go first. A batch that holds a shard right now keeps `release` waiting until it has
            // committed.
            self.publish(&kept);
            let extra: Vec<Shard> = extra.into_iter().map(|lease| lease.shard).collect();
            leases::release(&mut self.session, self.worker_id, &extra).await?;
        }
        let taken = if wanted.is_empty() {
            Vec::new()
        } else {
            leases::acquire(&mut self.session, self.worker_id, &wanted).await?
        };
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
