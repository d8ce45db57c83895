//! One worker from start to stop: its lanes, its functions and its background tasks.

use std::sync::Arc;

use anyhow::Context;
use satchel_functions::{Engine, Executor, Registry, Signals, Surroundings};
use satchel_model::ids::ShardCount;
use satchel_queue::Queue;
use satchel_store::{Pool, Session, stuck};
use satchel_tasks::{TaskSet, drive};
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::batch::verify::Verifier;
use crate::batch::{DatabaseClock, Pipeline};
use crate::lanes::{Lane, schedule};
use crate::shards::{Ownership, Watermarks};
use crate::start::{installation, warn_of_settings};
use crate::tasks::{Feeder, Housekeeping, StuckSessions};

/// Serves shards, and runs these functions, until `shutdown` is cancelled. Batches in flight are then finished and the
/// shards handed over.
///
/// # Errors
/// If Postgres or Redis cannot be used at all: no schema, unreadable URLs, a lane that panicked.
pub async fn run(config: Config, functions: Registry, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Some(installation) = installation(&config, &shutdown).await? else { return Ok(()) };
    let (shards, config) = (installation.shards, config.of_installation(&installation));
    let queue = satchel_queue::open(&config.queue, &installation)?;
    warn_of_settings(&*queue).await?;
    let ownership = Ownership::new(&config, shards)?;
    let worker_id = ownership.worker_id();
    tracing::info!(worker.id = %worker_id, shards = shards.get(), lanes = config.lanes, "worker started");
    let worker = Worker { config, shards, queue, ownership, signals: Arc::default(), shutdown: shutdown.clone() };
    let mut tasks = TaskSet::new(shutdown);
    worker.start_lanes(&mut tasks)?;
    tasks.drive(worker.executor(functions)?);
    worker.start_tasks(&mut tasks)?;
    // Its own end, so that shards are kept until the lanes have let go. Without it, the lanes find that nobody keeps the
    // leases, and end.
    let leaving = CancellationToken::new();
    let keeper = tokio::spawn(drive(worker.ownership, leaving.clone()));
    let ended = tasks.join().await.context("a part of the worker ended by itself");
    leaving.cancel();
    keeper.await.context("the keeper of leases ended by itself")?;
    tracing::info!(worker.id = %worker_id, "worker stopped");
    ended
}

/// A worker that is being started.
struct Worker {
    config: Config,
    shards: ShardCount,
    queue: Arc<dyn Queue>,
    ownership: Ownership,
    /// From lanes to functions.
    signals: Arc<Signals>,
    shutdown: CancellationToken,
}

impl Worker {
    fn start_lanes(&self, tasks: &mut TaskSet) -> anyhow::Result<()> {
        let Self { config, queue, ownership, signals, shutdown, .. } = self;
        let clock = DatabaseClock::default();
        for (number, handle) in (0..).zip(schedule(config.lanes, config.max_batch_jobs)) {
            let (active, signals) = (ownership.active(), Arc::clone(signals));
            let worker_id = ownership.worker_id();
            let (queue_of_lane, shutdown) = (Arc::clone(queue), shutdown.clone());
            let pipeline = Pipeline::new(config, queue_of_lane, worker_id, active, signals, clock.clone(), shutdown)?;
            let lane = Lane::new(number, handle, config, &**queue, pipeline, ownership.leased());
            tasks.spawn("lane", lane.run());
        }
        Ok(())
    }

    fn executor(&self, functions: Registry) -> anyhow::Result<Executor> {
        let surroundings = Surroundings {
            pool: Pool::new(&self.config.functions_pool)?,
            queue: Arc::clone(&self.queue),
            envelope_key: self.config.envelope_keys.current.clone(),
        };
        Ok(Executor::new(Engine {
            worker_id: self.ownership.worker_id(),
            registry: Arc::new(functions),
            target_sources: satchel_connectors::target_sources(),
            surroundings: Arc::new(surroundings),
            session: Session::new(&self.config.functions_pool)?,
            leases: Box::new(self.ownership.leased()),
            signals: Arc::clone(&self.signals),
            max_runs: self.config.max_runs,
        }))
    }

    fn start_tasks(&self, tasks: &mut TaskSet) -> anyhow::Result<()> {
        let Self { config, queue, ownership, .. } = self;
        let session = || Session::new(&config.pool);
        tasks.drive(Watermarks::new(Arc::clone(queue), session()?, ownership.leased()));
        tasks.drive(Feeder {
            queue: Arc::clone(queue),
            session: session()?,
            verifier: Verifier::new(config.envelope_keys.clone(), self.shards),
            keys: config.envelope_keys.clone(),
            leased: ownership.leased(),
        });
        let limit = config.transaction_limit.clone();
        tasks.drive(StuckSessions { session: stuck::session(&config.pool)?, limit });
        tasks.drive(Housekeeping { session: session()?, retention: config.retention });
        Ok(())
    }
}
