//! One worker from start to stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use satchel_model::installation::Installation;
use satchel_queue::{Queue, QueueError};
use satchel_store::{Pool, Program, Session, StoreError, stuck};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::feeder::Feeder;
use crate::functions::{Executor, Registry, Signals, Surroundings};
use crate::housekeeping;
use crate::lane::Lane;
use crate::ownership::Ownership;
use crate::pipeline::Pipeline;
use crate::retry::Backoff;
use crate::rota;
use crate::verify::Verifier;
use crate::watermarks::Watermarks;

/// How often Postgres is asked for the schema before the worker gives up: about a minute.
const MAX_START_ATTEMPTS: u32 = 10;

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
    // Its own end, so that shards are kept until the lanes have let go.
    let leaving = CancellationToken::new();
    let signals = Arc::new(Signals::new());
    let mut tasks = JoinSet::new();
    for (number, part) in (0..).zip(rota::divide(config.lanes, config.max_batch_jobs)) {
        let (active, signals) = (ownership.active(), Arc::clone(&signals));
        let pipeline = Pipeline::new(&config, Arc::clone(&queue), worker_id, active, signals, shutdown.clone())?;
        tasks.spawn(Lane::new(number, part, &config, &*queue, pipeline, ownership.held()).run());
    }
    let executor = Executor {
        worker_id,
        registry: Arc::new(functions),
        surroundings: Arc::new(Surroundings {
            pool: Pool::new(&config.functions_pool)?,
            queue: Arc::clone(&queue),
            envelope_key: config.envelope_keys.current.clone(),
        }),
        session: Session::new(&config.functions_pool)?,
        held: ownership.held(),
        signals,
        max_runs: config.max_runs,
    };
    tasks.spawn(executor.run(shutdown.clone()));
    let watermarks =
        Watermarks { queue: Arc::clone(&queue), session: Session::new(&config.pool)?, held: ownership.held() };
    tasks.spawn(watermarks.run(shutdown.clone()));
    let feeder = Feeder {
        queue,
        session: Session::new(&config.pool)?,
        verifier: Verifier::new(config.envelope_keys.clone(), shards),
        keys: config.envelope_keys.clone(),
        held: ownership.held(),
    };
    tasks.spawn(feeder.run(shutdown.clone()));
    let ended = metrics::counter!("satchel_worker_sessions_ended_total");
    let watching = stuck::session(&config.pool)?;
    tasks.spawn(stuck::watch(watching, config.transaction_limit.clone(), shutdown.clone(), move |sessions| {
        ended.increment(sessions);
    }));
    tasks.spawn(housekeeping::run(config.clone(), Session::new(&config.pool)?, shutdown.clone()));
    // Without its keeper, the lanes find that nobody keeps the leases, and end.
    let keeper = tokio::spawn(ownership.keep(leaving.clone()));
    let mut ended = Ok(());
    while let Some(task) = tasks.join_next().await {
        if let Err(error) = task {
            // What panicked serves no more; the others stop in order, and the process with them.
            shutdown.cancel();
            ended = Err(error).context("a part of the worker ended by itself");
        }
    }
    leaving.cancel();
    keeper.await.context("the keeper of leases ended by itself")?;
    tracing::info!(worker.id = %worker_id, "worker stopped");
    ended
}

/// Which installation it is, once Postgres tells; `None` if the worker is to stop before.
async fn installation(config: &Config, shutdown: &CancellationToken) -> anyhow::Result<Option<Installation>> {
    let pool = Pool::new(&config.pool)?;
    let mut backoff = Backoff::new(Duration::from_millis(500));
    loop {
        match pool.installation().await {
            Ok(installation) => {
                if !config.allows_owner_login
                    && let Some(excess) = pool.excess_of_login(Program::Worker).await?
                {
                    anyhow::bail!(
                        "DATABASE_URL (or SATCHEL_WORKER_DATABASE_URL): its login {excess}: log in as satchel_worker (see \
                         `satchel migrate`)"
                    );
                }
                pool.close().await;
                return Ok(Some(installation));
            }
            Err(error) if backoff.failures() + 1 >= MAX_START_ATTEMPTS => return Err(error.into()),
            Err(error @ (StoreError::Database(_) | StoreError::NotMigrated | StoreError::OldSchema(_))) => {
                tracing::warn!(%error, "waiting for Postgres");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = backoff.wait() => {}
            () = shutdown.cancelled() => return Ok(None),
        }
    }
}

/// Says what of its settings is wrong. Redis may come up after the worker.
///
/// # Errors
/// If it is another installation's.
async fn warn_of_settings(queue: &dyn Queue) -> Result<(), QueueError> {
    match queue.durability().await {
        Ok(durability) => {
            let warnings = durability.warnings().into_iter().chain(durability.unseen());
            warnings.for_each(|warning| tracing::warn!("{warning}"));
        }
        Err(error @ QueueError::Foreign(_)) => return Err(error),
        Err(error) => tracing::warn!(%error, "Redis could not be asked for its settings"),
    }
    Ok(())
}
