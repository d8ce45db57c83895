//! The part of a worker that runs functions: makes runs of events, begins those that are due, and finishes them. It has a
//! connection and a small pool of its own, so that jobs never wait for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use satchel_shared::domain::{RunId, Shard};
use satchel_shared::store::functions::claims::{self, Claimed};
use satchel_shared::store::functions::dispatch;
use satchel_shared::store::leases::Lease;
use satchel_shared::store::{Session, StoreError};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::steps::Surroundings;
use super::{Registered, Registry, Signals, attempt, dispatcher};
use crate::ownership::Held;
use crate::pipeline::in_time;
use crate::retry::Backoff;

/// How often events and runs are looked for when nobody says that there are some.
const LOOK: Duration = Duration::from_millis(500);
/// The same where there are no functions.
const DEAF_LOOK: Duration = Duration::from_secs(5);
/// The shortest time between two looks: what happens meanwhile is found by one.
const MIN_LOOK: Duration = Duration::from_millis(20);
/// While jobs pile up, so many runs begin with each look, and so many shards' events are looked at, and looks are
/// [`LOOK`] apart: functions take their time then, not the jobs'.
const BUSY_RUNS: usize = 50;
const BUSY_SHARDS: usize = 1;
/// Otherwise events of so many shards.
const MAX_SHARDS: usize = 16;
/// Runs in flight at the shutdown have so long to end; others begin anew elsewhere.
const GRACE: Duration = Duration::from_secs(5);
/// The wait after Postgres's first failure.
const RETRY: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Executor {
    pub(crate) worker_id: Uuid,
    pub(crate) registry: Arc<Registry>,
    pub(crate) surroundings: Arc<Surroundings>,
    pub(crate) session: Session,
    pub(crate) held: Held,
    pub(crate) signals: Arc<Signals>,
    /// Most runs at once.
    pub(crate) max_runs: usize,
}

/// The runs that go on.
#[derive(Default)]
struct Active {
    tasks: JoinSet<()>,
    run_ids: HashMap<Id, RunId>,
}

impl Executor {
    /// Runs functions until the shutdown.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut active = Active::default();
        let mut backoff = Backoff::new(RETRY);
        let mut is_announced = self.registry.is_empty();
        while !shutdown.is_cancelled() {
            let look = async {
                if !is_announced {
                    in_time(dispatch::announce(&mut self.session, &self.registry.describe())).await?;
                    is_announced = true;
                }
                self.look(&mut active).await
            };
            match look.await {
                Ok(has_more) => {
                    backoff.reset();
                    shutdown.run_until_cancelled(self.rest(&mut active, has_more)).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "functions wait for Postgres");
                    self.session.reset();
                    shutdown.run_until_cancelled(backoff.wait()).await;
                }
            }
        }
        let ended = tokio::time::timeout(GRACE, async { while active.tasks.join_next().await.is_some() {} });
        if ended.await.is_err() {
            tracing::warn!(runs = active.tasks.len(), "runs are left to other workers");
        }
        active.tasks.shutdown().await;
        self.session.close().await;
    }

    /// Waits until there is something to do.
    async fn rest(&self, active: &mut Active, has_more: bool) {
        if self.registry.is_empty() {
            // All there is to do is to say that nobody has heard.
            return tokio::time::sleep(DEAF_LOOK).await;
        }
        if self.signals.is_busy() {
            return tokio::time::sleep(LOOK).await;
        }
        tokio::time::sleep(MIN_LOOK).await;
        if has_more {
            return;
        }
        tokio::select! {
            () = self.signals.happened() => {}
            () = tokio::time::sleep(LOOK) => {}
            Some(ended) = active.tasks.join_next_with_id() => active.forget(ended),
        }
    }

    /// Makes runs, and begins those that are due; whether there may be more to do at once.
    async fn look(&mut self, active: &mut Active) -> Result<bool, StoreError> {
        while let Some(ended) = active.tasks.try_join_next_with_id() {
            active.forget(ended);
        }
        let leases = self.held.all();
        if leases.is_empty() {
            return Ok(false);
        }
        let shards: Vec<Shard> = leases.iter().map(|lease| lease.shard).collect();
        let most_shards = if self.signals.is_busy() { BUSY_SHARDS } else { MAX_SHARDS };
        let round = dispatcher::round(&mut self.session, &self.registry, &shards, most_shards);
        let has_more = in_time(round).await?;
        if self.registry.is_empty() {
            return Ok(has_more);
        }
        let run_ids: Vec<Uuid> = active.run_ids.values().map(|run_id| run_id.as_uuid()).collect();
        let orphans = in_time(dispatch::requeue_orphans(&mut self.session, &leases, &run_ids)).await?;
        if orphans > 0 {
            tracing::info!(runs = orphans, "runs whose worker is gone begin anew");
        }
        Ok(self.begin_due(active, &leases, &shards).await? || has_more)
    }

    async fn begin_due(&mut self, active: &mut Active, leases: &[Lease], shards: &[Shard]) -> Result<bool, StoreError> {
        let registry = Arc::clone(&self.registry);
        let ids: Vec<_> = registry.iter().map(|registered| &registered.id).collect();
        let due = in_time(claims::due(&mut self.session, &ids, shards)).await?;
        let mut has_begun = false;
        let mut left = if self.signals.is_busy() { BUSY_RUNS } else { usize::MAX };
        for registered in due.iter().filter_map(|id| registry.get(id)) {
            let free = self.max_runs.saturating_sub(active.tasks.len()).min(left);
            if free == 0 {
                break;
            }
            for run in in_time(self.claim(registered, leases, free)).await? {
                has_begun = true;
                left = left.saturating_sub(1);
                let run_id = run.run_id;
                let (surroundings, registry) = (Arc::clone(&self.surroundings), Arc::clone(&self.registry));
                let work = attempt::attempt(surroundings, registry, registered.id.clone(), run);
                let task = active.tasks.spawn(work);
                active.run_ids.insert(task.id(), run_id);
            }
        }
        Ok(has_begun)
    }

    async fn claim(
        &mut self,
        registered: &Registered,
        leases: &[Lease],
        free: usize,
    ) -> Result<Vec<Claimed>, StoreError> {
        let most = u32::try_from(free).unwrap_or(u32::MAX);
        let limits = &registered.policy.limits;
        let mut tx = self.session.begin().await?;
        let claimed = claims::claim(&mut tx, &registered.id, limits, self.worker_id, leases, most).await?;
        tx.commit().await?;
        Ok(claimed)
    }
}

impl Active {
    fn forget(&mut self, ended: Result<(Id, ()), tokio::task::JoinError>) {
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        self.run_ids.remove(&id);
    }
}
