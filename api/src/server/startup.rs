//! What is waited for, checked and said before anything is served.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use satchel_model::installation::Installation;
use satchel_queue::{Queue, QueueError};
use satchel_store::{Pool, Program, StoreError, webhooks};

use crate::config::Config;
use crate::intake::JournalMode;
use crate::intake::clock::Clock;
use crate::routes::{self, UnseenSettings};

/// How long to wait at start for Postgres and its schema, in seconds.
const START_PATIENCE_SECONDS: u64 = 30;
/// How often to look, in milliseconds.
const START_RETRY_MS: u64 = 500;

/// Refuses a login that may do more than the service needs.
pub(super) async fn check_login(config: &Config, pool: &Pool) -> anyhow::Result<()> {
    if !config.allows_owner_login
        && let Some(excess) = pool.excess_of_login(Program::Api).await?
    {
        bail!("DATABASE_URL: its login {excess}: log in as satchel_api (see `satchel migrate`)");
    }
    Ok(())
}

/// Seals the secrets of webhooks by the current key.
pub(super) async fn reseal(config: &Config, pool: &Pool) -> anyhow::Result<()> {
    let Some(keys) = &config.seal_keys else { return Ok(()) };
    let resealed = webhooks::reseal(pool, keys).await.context("the secrets of webhooks")?;
    if resealed > 0 {
        tracing::info!(resealed, "secrets of webhooks are sealed by the current key now");
    }
    Ok(())
}

/// Waits until Postgres answers and was migrated; both may come up after the service.
pub(super) async fn wait_for_schema(pool: &Pool, clock: &Clock) -> anyhow::Result<Installation> {
    let patience = Duration::from_secs(START_PATIENCE_SECONDS);
    let start = Instant::now();
    let mut told = false;
    loop {
        match first_answers(pool, clock).await {
            Ok(installation) => return Ok(installation),
            Err(error @ StoreError::OtherSchema(_)) => return Err(error.into()),
            Err(error) if start.elapsed() >= patience => {
                return Err(error).context(format!("the database was not ready within {START_PATIENCE_SECONDS} s"));
            }
            Err(error) if !told => {
                tracing::warn!(%error, "waiting for the database");
                told = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(START_RETRY_MS)).await;
    }
}

/// What must be known before anything is taken.
async fn first_answers(pool: &Pool, clock: &Clock) -> Result<Installation, StoreError> {
    let installation = pool.installation().await?;
    clock.measure(pool).await?;
    Ok(installation)
}

/// Says at start what readiness shows later. Redis may come up after the service.
pub(super) async fn tell_durability(
    queue: &dyn Queue,
    journal: JournalMode,
    unseen: &UnseenSettings,
) -> Result<(), QueueError> {
    match queue.durability().await {
        Ok(durability) => {
            unseen.tell(&durability);
            for warning in routes::warnings(&durability, journal) {
                tracing::warn!("{warning}");
            }
        }
        Err(error @ QueueError::Foreign(_)) => return Err(error),
        Err(error) => match journal {
            JournalMode::None => tracing::warn!(%error, "jobs are refused until the queue is there"),
            JournalMode::Postgres => tracing::warn!(%error, "jobs wait in the journal until the queue is there"),
        },
    }
    Ok(())
}
