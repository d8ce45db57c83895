//! What goes on beside the requests, also while those in flight at the shutdown are finished.

use actix_web::web;
use metrics_exporter_prometheus::PrometheusHandle;
use satchel_store::Session;
use satchel_store::stuck::{self, TransactionLimit};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::metrics;
use super::state::State;
use crate::auth::KeySource;
use crate::intake::{undecided, waiting};

/// See the module.
pub(crate) struct Background {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Background {
    /// Starts all of it.
    pub(crate) fn start(state: &web::Data<State>, key_source: KeySource, handle: Option<PrometheusHandle>) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let shared = || (state.clone(), stop.clone());
        let (state, stopped) = shared();
        tasks.spawn(async move { waiting::hear(&state, stopped).await });
        let (state, stopped) = shared();
        tasks.spawn(async move { key_source.watch(&state.authenticator, &stopped).await });
        let (state, stopped) = shared();
        tasks.spawn(async move { undecided::watch(&state, stopped).await });
        let (state, stopped) = shared();
        tasks.spawn(async move { state.clock.watch(&state.pool, &stopped).await });
        let (state, stopped) = shared();
        tasks.spawn(async move { state.journaling.keep(&state.pool, &stopped).await });
        if let Some(handle) = handle {
            tasks.spawn(metrics::keep_up(handle, stop.clone()));
        }
        Self { stop, tasks }
    }

    /// Ends sessions of Postgres that hold their locks for too long.
    pub(crate) fn end_stuck_sessions(&mut self, session: Session, limit: TransactionLimit) {
        self.tasks.spawn(stuck::watch(session, limit, self.stop.clone(), metrics::count_ended_sessions));
    }

    /// Ends it.
    ///
    /// # Errors
    /// If a part of it has panicked.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        while let Some(task) = self.tasks.join_next().await {
            task?;
        }
        Ok(())
    }
}
