//! Ends runs that are older than their functions' policies want them, before any of them begins.

use std::collections::HashSet;
use std::time::Duration;

use satchel_model::ids::FunctionId;
use satchel_store::functions::cancel;
use satchel_store::{DEADLINE_MS, Session, StoreError};
use tokio::time::Instant;

use crate::Registry;

/// The time between two looks for old runs.
const PERIOD: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Default)]
pub(crate) struct Drops {
    looked_at: Option<Instant>,
    /// Functions with more of them than were ended at once: none of their runs begins, since it could be one.
    unfinished: HashSet<FunctionId>,
}

impl Drops {
    /// Ends a portion of each function's; whether there are more.
    pub(crate) async fn round(
        &mut self,
        session: &mut Session,
        registry: &Registry,
        is_busy: bool,
    ) -> Result<bool, StoreError> {
        let goes_on = !self.unfinished.is_empty() && !is_busy;
        if !goes_on && self.looked_at.is_some_and(|at| at.elapsed() < PERIOD) {
            return Ok(false);
        }
        for registered in registry.iter() {
            let Some(max_age) = registered.policy.max_age else { continue };
            let function_id = &registered.id;
            let drop_old = async |session: &mut Session| cancel::drop_old(session, function_id, max_age).await;
            let (dropped, has_more) = session.run(DEADLINE_MS, drop_old).await?;
            if has_more {
                self.unfinished.insert(function_id.clone());
            } else {
                self.unfinished.remove(function_id);
            }
            if dropped > 0 {
                tracing::warn!(function.id = %function_id, runs = dropped, "runs were dropped: they are too old");
                metrics::counter!("satchel_worker_function_runs_dropped_total", "function" => function_id.to_string())
                    .increment(dropped);
            }
        }
        self.looked_at = Some(Instant::now());
        Ok(!self.unfinished.is_empty() && !is_busy)
    }

    /// Whether runs of a function may begin.
    pub(crate) fn are_done(&self, function_id: &FunctionId) -> bool {
        !self.unfinished.contains(function_id)
    }
}
