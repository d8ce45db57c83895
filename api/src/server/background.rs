//! What goes on beside the requests, also while those in flight at the shutdown are finished.

use metrics_exporter_prometheus::PrometheusHandle;
use satchel_store::Session;
use satchel_store::stuck::{self, TransactionLimit};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::components::Components;
use super::metrics;
use crate::auth::KeySource;
use crate::intake::{undecided, waiting};

/// See the module.
pub(super) struct Background {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Background {
    /// Starts all of it.
    pub(super) fn start(components: &Components, key_source: KeySource, handle: Option<PrometheusHandle>) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let shared = || (components.clone(), stop.clone());
        let (all, stopped) = shared();
        tasks.spawn(async move { waiting::hear(&all.intake, stopped).await });
        let (all, stopped) = shared();
        tasks.spawn(async move { key_source.watch(&all.authenticator, &stopped).await });
        let (all, stopped) = shared();
        tasks.spawn(async move { undecided::watch(&all.intake, &all.pool, stopped).await });
        let (all, stopped) = shared();
        tasks.spawn(async move { all.clock.watch(&all.pool, &stopped).await });
        let (all, stopped) = shared();
        tasks.spawn(async move { all.intake.journaling.keep(&all.pool, &stopped).await });
        if let Some(handle) = handle {
            tasks.spawn(metrics::keep_up(handle, stop.clone()));
        }
        Self { stop, tasks }
    }

    /// Ends sessions of Postgres that hold their locks for too long.
    pub(super) fn end_stuck_sessions(&mut self, session: Session, limit: TransactionLimit) {
        self.tasks.spawn(stuck::watch(session, limit, self.stop.clone(), metrics::count_ended_sessions));
    }

    /// Ends it.
    ///
    /// # Errors
    /// If a part of it has panicked.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        while let Some(task) = self.tasks.join_next().await {
            task?;
        }
        Ok(())
    }
}
