//! Forgets decided jobs, events and ended runs when their retention is over, and archives jobs that were parked too long.

use std::time::Duration;

use satchel_store::housekeeping::{self, Cleaned};
use satchel_store::{Retention, Session, StoreError};
use satchel_tasks::{Backoff, Task};

const PERIOD: Duration = Duration::from_mins(1);
/// Most steps in one round; what is left then is for the next.
const MAX_STEPS: usize = 20;
/// The time that Postgres has for one step.
const STEP_DEADLINE_MS: u64 = 40_000;

/// See the module.
pub(crate) struct Housekeeping {
    pub(crate) session: Session,
    pub(crate) retention: Retention,
}

impl Task for Housekeeping {
    const NAME: &'static str = "housekeeping";
    type Error = StoreError;

    async fn round(&mut self) -> Result<Duration, StoreError> {
        let mut sum = Cleaned::default();
        for _ in 0..MAX_STEPS {
            let step = async |session: &mut Session| housekeeping::step(session, &self.retention).await;
            sum += self.session.run(STEP_DEADLINE_MS, step).await?;
            if !sum.has_more {
                break;
            }
        }
        tell(&sum);
        Ok(PERIOD)
    }

    fn backoff(&self) -> Backoff {
        Backoff::constant(PERIOD)
    }

    async fn close(self) {
        self.session.close().await;
    }
}

fn tell(Cleaned { removed, archived, events, runs, given_up, .. }: &Cleaned) {
    if removed + archived + events + runs > 0 {
        tracing::info!(jobs.archived = archived, jobs.forgotten = removed, events, runs, "kept house");
    }
    if *given_up > 0 {
        tracing::error!(runs = given_up, "runs have failed: no worker runs their functions any more");
    }
}
