//! Ends sessions of the worker's login that hold their locks for too long.

use std::time::Duration;

use satchel_store::stuck::{self, TransactionLimit};
use satchel_store::{Session, StoreError};
use satchel_tasks::{Backoff, Task};

/// See the module.
pub(crate) struct StuckSessions {
    /// From [`stuck::session`].
    pub(crate) session: Session,
    pub(crate) limit: TransactionLimit,
}

impl Task for StuckSessions {
    const NAME: &'static str = "stuck_sessions";
    type Error = StoreError;

    async fn round(&mut self) -> Result<Duration, StoreError> {
        let ended = stuck::look(&mut self.session, &self.limit).await?;
        metrics::counter!("satchel_worker_sessions_ended_total").increment(ended);
        Ok(self.limit.look_every())
    }

    fn backoff(&self) -> Backoff {
        Backoff::constant(self.limit.look_every())
    }

    async fn close(self) {
        self.session.close().await;
    }
}
