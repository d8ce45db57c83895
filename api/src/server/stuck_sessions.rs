//! Ends sessions of the API's login that hold their locks for too long.

use std::time::Duration;

use satchel_store::stuck::{self, TransactionLimit};
use satchel_store::{Session, StoreError};
use satchel_tasks::{Backoff, Task};

use super::metrics;

/// See the module.
pub(super) struct StuckSessions {
    /// From [`stuck::session`].
    pub(super) session: Session,
    pub(super) limit: TransactionLimit,
}

impl Task for StuckSessions {
    const NAME: &'static str = "stuck_sessions";
    type Error = StoreError;

    async fn round(&mut self) -> Result<Duration, StoreError> {
        metrics::count_ended_sessions(stuck::look(&mut self.session, &self.limit).await?);
        Ok(self.limit.look_every())
    }

    fn backoff(&self) -> Backoff {
        Backoff::constant(self.limit.look_every())
    }

    async fn close(self) {
        self.session.close().await;
    }
}
