//! The background task that runs functions: makes runs of events, begins those that are due, and finishes them. It has a
//! connection and a small pool of its own, so that jobs never wait for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use satchel_model::ids::{FunctionId, RunId, Shard};
use satchel_store::functions::claims::{self, Claimed};
use satchel_store::functions::{dispatch, listeners};
use satchel_store::leases::Lease;
use satchel_store::{DEADLINE_MS, Session, StoreError};
use satchel_tasks::{Backoff, Task};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use crate::dispatcher::{self, Portion, Round};
use crate::drop_old::Drops;
use crate::function::Registered;
use crate::room::Room;
use crate::{EngineError, OwnLeases, Registry, Signals, Surroundings, TargetSource, attempt};

/// The time between two looks for events and runs without a signal.
const LOOK: Duration = Duration::from_millis(500);
/// The same where no function subscribes to anything: all there is to do is to move the shards on.
const IDLE_LOOK: Duration = Duration::from_secs(5);
/// The time between two announcements of a worker's functions: well within [`listeners::LISTENING_MINUTES`].
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
/// The waits after failures of Postgres.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(8));

/// Everything that functions run with.
pub struct Engine {
    /// The worker that begins the runs.
    pub worker_id: Uuid,
    /// The functions that it runs.
    pub registry: Arc<Registry>,
    /// All kinds of receivers.
    pub target_sources: Vec<Box<dyn TargetSource>>,
    /// The means that all runs share.
    pub surroundings: Arc<Surroundings>,
    /// The executor's own connection.
    pub session: Session,
    /// The worker's shards.
    pub leases: Box<dyn OwnLeases>,
    /// From the lanes.
    pub signals: Arc<Signals>,
    /// Most runs at once of all functions without targets.
    pub max_runs: usize,
}

/// See the module.
pub struct Executor {
    engine: Engine,
    active: Active,
    /// The last announcement of the functions to other workers.
    announced: Option<Instant>,
}

/// The runs that go on.
#[derive(Default)]
struct Active {
    tasks: JoinSet<()>,
    runs: HashMap<Id, (RunId, FunctionId)>,
    /// A count of beginnings, by which functions take turns in being first.
    turn: usize,
    /// Runs that are too old to begin.
    drops: Drops,
}

impl Task for Executor {
    const NAME: &'static str = "functions";
    type Error = EngineError;

    async fn round(&mut self) -> Result<Duration, EngineError> {
        self.announce().await?;
        self.look().await
    }

    /// Waits until there is something to do, at most so long.
    async fn pause(&mut self, at_most: Duration) {
        let signals = &self.engine.signals;
        let at_least = match at_most {
            IDLE_LOOK => IDLE_LOOK,
            _ if signals.is_busy() => return tokio::time::sleep(BUSY_LOOK).await,
            _ => MIN_LOOK,
        };
        tokio::time::sleep(at_least).await;
        let Some(left) = at_most.checked_sub(at_least).filter(|left| !left.is_zero()) else { return };
        tokio::select! {
            () = signals.happened() => {}
            () = tokio::time::sleep(left) => {}
            Some(ended) = self.active.tasks.join_next_with_id() => self.active.forget(ended),
        }
    }

    fn backoff(&self) -> Backoff {
        BACKOFF
    }

    async fn close(mut self) {
        let tasks = &mut self.active.tasks;
        let ended = tokio::time::timeout(GRACE, async { while tasks.join_next().await.is_some() {} });
        if ended.await.is_err() {
            tracing::warn!(runs = tasks.len(), "runs are left to other workers");
        }
        tasks.shutdown().await;
        self.engine.session.close().await;
    }
}

impl Executor {
    /// A new one; [`satchel_tasks::drive`] drives it.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self { engine, active: Active::default(), announced: None }
    }

    /// Announces the worker's functions: described at the start, and by name from time to time.
    async fn announce(&mut self) -> Result<(), StoreError> {
        let Engine { registry, session, .. } = &mut self.engine;
        if registry.is_empty() || self.announced.is_some_and(|at| at.elapsed() < ANNOUNCE) {
            return Ok(());
        }
        let is_new = self.announced.is_none();
        let announce = async |session: &mut Session| {
            if is_new {
                listeners::announce(session, &registry.describe()).await
            } else {
                listeners::renew(session, &registry.ids()).await
            }
        };
        session.run(DEADLINE_MS, announce).await?;
        self.announced = Some(Instant::now());
        Ok(())
    }

    /// Makes runs, and begins those that are due; the time after which there may be more to do without a signal.
    async fn look(&mut self) -> Result<Duration, EngineError> {
        let Self { engine, active, .. } = self;
        while let Some(ended) = active.tasks.try_join_next_with_id() {
            active.forget(ended);
        }
        let leases = engine.leases.leases();
        if leases.is_empty() {
            return Ok(LOOK);
        }
        let shards: Vec<Shard> = leases.iter().map(|lease| lease.shard).collect();
        let portion = if engine.signals.is_busy() { BUSY_PORTION } else { PORTION };
        let sources = &engine.target_sources;
        let dispatch = async |session: &mut Session| dispatcher::round(session, sources, &shards, portion).await;
        let Round { has_more, has_subscribers } = engine.session.run(DEADLINE_MS, dispatch).await?;
        if engine.registry.is_empty() && !has_subscribers {
            return Ok(IDLE_LOOK);
        }
        let run_ids: Vec<Uuid> = active.runs.values().map(|(run_id, _)| run_id.as_uuid()).collect();
        let worker_id = engine.worker_id;
        let requeue =
            async |session: &mut Session| dispatch::requeue_orphans(session, worker_id, &shards, &run_ids).await;
        let orphans = engine.session.run(DEADLINE_MS, requeue).await?;
        if orphans > 0 {
            tracing::info!(runs = orphans, "runs whose worker is gone begin anew");
        }
        let is_busy = engine.signals.is_busy();
        let has_more_old = active.drops.round(&mut engine.session, &engine.registry, is_busy).await?;
        let begin = engine.begin_due(active, &leases, &shards).await?;
        Ok(if has_more || has_more_old { Duration::ZERO } else { begin })
    }
}

impl Engine {
    /// Begins runs; the time after which more may begin.
    async fn begin_due(
        &mut self,
        active: &mut Active,
        leases: &[Lease],
        shards: &[Shard],
    ) -> Result<Duration, StoreError> {
        let registry = Arc::clone(&self.registry);
        let look = async |session: &mut Session| claims::due(session, &registry.ids(), shards).await;
        let mut due = self.session.run(DEADLINE_MS, look).await?;
        active.take_turns(&mut due);
        let room = Room::new(&registry, self.max_runs);
        let mut wait = LOOK;
        let mut left = if self.signals.is_busy() { BUSY_RUNS } else { usize::MAX };
        for registered in due.iter().filter_map(|id| registry.get(id)) {
            let free = room.left(&registered.id, &active.count()).min(left);
            if free == 0 || !active.drops.are_done(&registered.id) {
                continue;
            }
            for run in self.claim(registered, leases, free).await? {
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
        let worker_id = self.worker_id;
        let claim = async |session: &mut Session| {
            let mut tx = session.begin().await?;
            let claimed = claims::claim(&mut tx, &registered.id, limits, worker_id, leases, most).await?;
            tx.commit().await?;
            Ok(claimed)
        };
        self.session.run(DEADLINE_MS, claim).await
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

    /// Current runs of each function.
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
