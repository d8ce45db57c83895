//! What goes on beside the requests, also while those in flight at the shutdown are finished.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use satchel_tasks::TaskSet;
use tokio_util::sync::CancellationToken;

use super::components::Components;
use super::metrics::Upkeep;
use super::stuck_sessions::StuckSessions;
use crate::auth::{KeyReload, KeySource};
use crate::intake::clock::ClockWatch;
use crate::intake::journaling::Announcing;
use crate::intake::{undecided, waiting};

/// See the module.
pub(super) struct Background {
    stop: CancellationToken,
    tasks: TaskSet,
}

impl Background {
    /// Starts all of it.
    pub(super) fn start(
        components: &Components,
        key_source: KeySource,
        stuck_sessions: StuckSessions,
        handle: Option<PrometheusHandle>,
    ) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = TaskSet::new(stop.clone());
        let Components { authenticator, intake, pool, clock, .. } = components.clone();
        let (hearing, stopped) = (intake.clone(), stop.clone());
        tasks.spawn("outcomes", async move { waiting::hear(&hearing, stopped).await });
        if let Some(reload) = KeyReload::new(key_source, authenticator) {
            tasks.drive(reload);
        }
        tasks.drive(ClockWatch::new(clock, pool.clone()));
        tasks.drive(Announcing::new(Arc::clone(&intake.journaling), pool.clone()));
        tasks.drive(undecided::Recount { intake, pool });
        tasks.drive(stuck_sessions);
        if let Some(handle) = handle {
            tasks.drive(Upkeep(handle));
        }
        Self { stop, tasks }
    }

    /// Ends it.
    ///
    /// # Errors
    /// If a part of it has panicked.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.tasks.join().await?)
    }
}
