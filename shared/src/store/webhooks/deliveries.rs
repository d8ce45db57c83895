//! Deliveries, which are runs of [`FUNCTION`].

use serde_json::json;
use uuid::Uuid;

use super::FUNCTION;
use crate::domain::RunId;
use crate::store::actions::{self, Action, Operator};
use crate::store::{Pool, StoreError};

/// What came of a wish for another delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redelivery {
    /// It is delivered again, under the id that it had.
    Due,
    /// A worker is at it.
    Running,
    /// There is no such delivery to this endpoint.
    Unknown,
}

/// Has an event delivered again, whatever came of its delivery before; one that waits for its next attempt is tried at once.
///
/// # Errors
/// If Postgres is away.
pub async fn redeliver(
    pool: &Pool,
    endpoint_id: Uuid,
    run_id: RunId,
    by: &Operator<'_>,
) -> Result<Redelivery, StoreError> {
    let mut tx = pool.0.begin().await?;
    let found = sqlx::query_scalar!(
        "SELECT status
         FROM function_runs
         WHERE run_id = $1 AND function_id = $2 AND target = $3
         FOR NO KEY UPDATE",
        run_id.as_uuid(),
        FUNCTION,
        endpoint_id.to_string(),
    );
    match found.fetch_optional(&mut *tx).await?.as_deref() {
        None => return Ok(Redelivery::Unknown),
        Some("running") => return Ok(Redelivery::Running),
        Some(_) => {}
    }
    sqlx::query!("DELETE FROM function_steps WHERE run_id = $1", run_id.as_uuid()).execute(&mut *tx).await?;
    sqlx::query!(
        "UPDATE function_runs
         SET status = 'queued', tries = 0, is_cancelled = false, cancel_reason = NULL, is_wanted = true,
             due_at = clock_timestamp(), finished_at = NULL
         WHERE run_id = $1",
        run_id.as_uuid(),
    )
    .execute(&mut *tx)
    .await?;
    let detail = json!({"endpointId": endpoint_id, "runId": run_id});
    actions::record(&mut tx, by, Action::REDELIVER_WEBHOOK, None, &detail).await?;
    tx.commit().await?;
    Ok(Redelivery::Due)
}
