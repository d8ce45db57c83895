//! The part of a worker that runs functions: makes runs of events, begins those that are due, and finishes them. It has a
//! connection and a small pool of its own, so that jobs never wait for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use satchel_model::ids::{FunctionId, RunId, Shard};
use satchel_store::functions::claims::{self, Claimed};
use satchel_store::functions::{dispatch, listeners};
use satchel_store::leases::Lease;
use satchel_store::{Session, StoreError};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::dispatcher::{self, Portion, Round};
use super::drops::Drops;
use super::room::Room;
use super::steps::Surroundings;
use super::{Registered, Registry, Signals, attempt};
use crate::ownership::Held;
use crate::pipeline::in_time;
use crate::retry::Backoff;

/// How often events and runs are looked for when nobody says that there are some.
const LOOK: Duration = Duration::from_millis(500);
/// The same where no function hears of anything: all there is to do is to say so.
const DEAF_LOOK: Duration = Duration::from_secs(5);
/// How often a worker says that it still runs its functions: well within [`listeners::LISTENING_MINUTES`].
const ANNOUNCE: Duration = Duration::from_mins(1);
/// The shortest time between two looks: what happens meanwhile is found by one.
const MIN_LOOK: Duration = Duration::from_millis(20);
/// While jobs pile up, looks are so far apart, and with each so many runs begin and so many are made, 50 a second:
/// functions take their time then, not the jobs'.
const BUSY_LOOK: Duration = Duration::from_millis(400);
const BUSY_RUNS: usize = 20;
const BUSY_PORTION: Portion = Portion { shards: 1, runs: 20 };
/// Otherwise so many events are given with each look.
const PORTION: Portion = Portion { shards: 16, runs: 5_000 };
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
    /// Most runs at once of all functions without targets.
    pub(crate) max_runs: usize,
}

/// The runs that go on.
#[derive(Default)]
struct Active {
    tasks: JoinSet<()>,
    runs: HashMap<Id, (RunId, FunctionId)>,
    /// How often runs were begun: whose turn it is to be first.
    turn: usize,
    /// What is too old to begin.
    drops: Drops,
}

impl Executor {
    /// Runs functions until the shutdown.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut active = Active::default();
        let mut backoff = Backoff::new(RETRY);
        let mut announced = None;
        while !shutdown.is_cancelled() {
            let look = async {
                self.announce(&mut announced).await?;
                self.look(&mut active).await
            };
            match look.await {
                Ok(at_most) => {
                    backoff.reset();
                    shutdown.run_until_cancelled(self.rest(&mut active, at_most)).await;
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

    /// Says which functions the worker runs: how they are when it starts, and from time to time that it still does.
    async fn announce(&mut self, announced: &mut Option<Instant>) -> Result<(), StoreError> {
        if self.registry.is_empty() || announced.is_some_and(|at| at.elapsed() < ANNOUNCE) {
            return Ok(());
        }
        let vigil = self.session.vigil();
        if announced.is_none() {
            in_time(&vigil, listeners::announce(&mut self.session, &self.registry.describe())).await?;
        } else {
            in_time(&vigil, listeners::renew(&mut self.session, &self.registry.ids())).await?;
        }
        *announced = Some(Instant::now());
        Ok(())
    }

    /// Waits until there is something to do, at most so long.
    async fn rest(&self, active: &mut Active, at_most: Duration) {
        let at_least = match at_most {
            DEAF_LOOK => DEAF_LOOK,
            _ if self.signals.is_busy() => return tokio::time::sleep(BUSY_LOOK).await,
            _ => MIN_LOOK,
        };
        tokio::time::sleep(at_least).await;
        let Some(left) = at_most.checked_sub(at_least).filter(|left| !left.is_zero()) else { return };
        tokio::select! {
            () = self.signals.happened() => {}
            () = tokio::time::sleep(left) => {}
            Some(ended) = active.tasks.join_next_with_id() => active.forget(ended),
        }
    }

    /// Makes runs, and begins those that are due. After how long there may be more to do without anything happening.
    async fn look(&mut self, active: &mut Active) -> Result<Duration, StoreError> {
        while let Some(ended) = active.tasks.try_join_next_with_id() {
            active.forget(ended);
        }
        let leases = self.held.all();
        if leases.is_empty() {
            return Ok(LOOK);
        }
        let shards: Vec<Shard> = leases.iter().map(|lease| lease.shard).collect();
        let portion = if self.signals.is_busy() { BUSY_PORTION } else { PORTION };
        let vigil = self.session.vigil();
        let Round { has_more, is_heard } =
            in_time(&vigil, dispatcher::round(&mut self.session, &shards, portion)).await?;
        if self.registry.is_empty() && !is_heard {
            return Ok(DEAF_LOOK);
        }
        let run_ids: Vec<Uuid> = active.runs.values().map(|(run_id, _)| run_id.as_uuid()).collect();
        let requeue = dispatch::requeue_orphans(&mut self.session, self.worker_id, &shards, &run_ids);
        let orphans = in_time(&vigil, requeue).await?;
        if orphans > 0 {
            tracing::info!(runs = orphans, "runs whose worker is gone begin anew");
        }
        let is_busy = self.signals.is_busy();
        let has_more_old = active.drops.round(&mut self.session, &self.registry, is_busy).await?;
        let begin = self.begin_due(active, &leases, &shards).await?;
        Ok(if has_more || has_more_old { Duration::ZERO } else { begin })
    }

    /// Begins runs; after how long more may begin.
    async fn begin_due(
        &mut self,
        active: &mut Active,
        leases: &[Lease],
        shards: &[Shard],
    ) -> Result<Duration, StoreError> {
        let registry = Arc::clone(&self.registry);
        let vigil = self.session.vigil();
        let mut due = in_time(&vigil, claims::due(&mut self.session, &registry.ids(), shards)).await?;
        active.take_turns(&mut due);
        let room = Room::new(&registry, self.max_runs);
        let mut wait = LOOK;
        let mut left = if self.signals.is_busy() { BUSY_RUNS } else { usize::MAX };
        for registered in due.iter().filter_map(|id| registry.get(id)) {
            let free = room.left(&registered.id, &active.count()).min(left);
            if free == 0 || !active.drops.are_done(&registered.id) {
                continue;
            }
            for run in in_time(&vigil, self.claim(registered, leases, free)).await? {
                wait = Duration::ZERO;
                left = left.saturating_sub(1);
                let run_id = run.run_id;
                let (surroundings, registry) = (Arc::clone(&self.surroundings), Arc::clone(&self.registry));
                let work = attempt::attempt(surroundings, registry, registered.id.clone(), run);
                let task = active.tasks.spawn(work);
                active.runs.insert(task.id(), (run_id, registered.id.clone()));
            }
            wait = wait.min(registered.policy.limits.interval().unwrap_or(LOOK));
        }
        Ok(wait)
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
        self.runs.remove(&id);
    }

    /// Another function's runs begin first each time.
    fn take_turns(&mut self, due: &mut [String]) {
        self.turn = self.turn.wrapping_add(1);
        if !due.is_empty() {
            due.rotate_left(self.turn % due.len());
        }
    }

    /// How many runs of each function go on.
    fn count(&self) -> HashMap<&FunctionId, usize> {
        let mut running = HashMap::new();
        for (_, function_id) in self.runs.values() {
            *running.entry(function_id).or_default() += 1;
        }
        running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_function_is_the_first_each_time() {
        let mut active = Active::default();
        let mut turn = || {
            let mut due = ["a", "b"].map(str::to_owned);
            active.take_turns(&mut due);
            due[0].clone()
        };
        assert_ne!(turn(), turn());
        active.take_turns(&mut []);
    }
}
