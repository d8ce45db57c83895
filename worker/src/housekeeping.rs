//! Keeps the house: forgets decided jobs, events and ended runs when their time is over, and archives jobs that were
//! parked too long.

use std::time::Duration;

use satchel_store::housekeeping::{self, Cleaned};
use satchel_store::{Session, StoreError};
use tokio_util::sync::CancellationToken;

use crate::Config;

/// How often.
const EVERY: Duration = Duration::from_mins(1);
/// Most steps in one round; what is left then is for the next.
const MAX_STEPS: usize = 20;
/// How long Postgres has for one step.
const STEP_DEADLINE_MS: u64 = 40_000;

/// Keeps the house until the shutdown.
pub(crate) async fn run(config: Config, mut session: Session, shutdown: CancellationToken) {
    loop {
        if let Err(error) = round(&config, &mut session).await {
            tracing::warn!(%error, "housekeeping came to nothing this time");
            session.reset();
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            break;
        }
    }
    session.close().await;
}

async fn round(config: &Config, session: &mut Session) -> Result<(), StoreError> {
    let mut sum = Cleaned::default();
    for _ in 0..MAX_STEPS {
        let vigil = session.vigil();
        sum += vigil.over(STEP_DEADLINE_MS, Box::pin(housekeeping::step(session, &config.retention))).await?;
        if !sum.has_more {
            break;
        }
    }
    let Cleaned { removed, archived, events, runs, given_up, .. } = sum;
    if removed + archived + events + runs > 0 {
        tracing::info!(jobs.archived = archived, jobs.forgotten = removed, events, runs, "kept house");
    }
    if given_up > 0 {
        tracing::error!(runs = given_up, "runs have failed: no worker runs their functions any more");
    }
    Ok(())
}
