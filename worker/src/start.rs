//! The checks before a worker serves: the installation, the login, and the queue's settings.

use std::time::Duration;

use satchel_model::installation::Installation;
use satchel_queue::{Queue, QueueError};
use satchel_store::{Pool, Program, StoreError};
use satchel_tasks::Backoff;
use tokio_util::sync::CancellationToken;

use crate::Config;

/// Most questions to Postgres for the schema before the worker gives up: about a minute.
const MAX_START_ATTEMPTS: u32 = 10;
const START_BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(8));

/// The installation, once Postgres tells; `None` if the worker is to stop before.
///
/// # Errors
/// If Postgres does not tell, or the login is not the worker's.
pub(crate) async fn installation(
    config: &Config,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<Installation>> {
    let pool = Pool::new(&config.pool)?;
    let mut retries = START_BACKOFF.retries();
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
            Err(error) if retries.failures() + 1 >= MAX_START_ATTEMPTS => return Err(error.into()),
            Err(error @ (StoreError::Database(_) | StoreError::NotMigrated | StoreError::OldSchema(_))) => {
                tracing::warn!(%error, "waiting for Postgres");
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = retries.wait() => {}
            () = shutdown.cancelled() => return Ok(None),
        }
    }
}

/// Warns of the queue's settings that lose jobs. Redis may come up after the worker.
///
/// # Errors
/// If it is another installation's.
pub(crate) async fn warn_of_settings(queue: &dyn Queue) -> Result<(), QueueError> {
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
