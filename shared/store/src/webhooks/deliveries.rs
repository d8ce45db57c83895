//! Deliveries, which are runs of [`FUNCTION`].

use satchel_model::ids::RunId;
use serde_json::json;
use uuid::Uuid;

use super::FUNCTION;
use crate::actions::{self, Action, Operator};
use crate::{Pool, StoreError};

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
    let found =
        sqlx::query_scalar!("SELECT redeliver_run($1, $2, $3)", run_id.as_uuid(), FUNCTION, endpoint_id.to_string(),);
    match found.fetch_one(&mut *tx).await?.as_deref() {
        None => return Ok(Redelivery::Unknown),
        Some("running") => return Ok(Redelivery::Running),
        Some(_) => {}
    }
    let detail = json!({"endpointId": endpoint_id, "runId": run_id});
    actions::record(&mut tx, by, Action::REDELIVER_WEBHOOK, None, &detail).await?;
    tx.commit().await?;
    Ok(Redelivery::Due)
}
