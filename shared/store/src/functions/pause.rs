//! Whether a function's runs may begin: an operator may pause it. Its events become runs all the same.

use satchel_model::ids::FunctionId;
use serde_json::json;

use super::backlog::Pause;
use crate::actions::{self, Action, Operator};
use crate::{Pool, StoreError};

/// Pauses a function or lets it go on, and records who did; `None` if no worker has ever run it. After it no run of the
/// function begins on any worker while it is paused: those who begin runs hold the lock that this takes.
///
/// # Errors
/// If Postgres is away.
pub async fn set(
    pool: &Pool,
    function_id: &FunctionId,
    paused: bool,
    reason: Option<&str>,
    by: &Operator<'_>,
) -> Result<Option<Pause>, StoreError> {
    let mut tx = pool.0.begin().await?;
    let pause = sqlx::query_as!(
        Pause,
        "UPDATE functions
         SET is_paused = $2, pause_changed_at = clock_timestamp(), pause_changed_by = $3, pause_reason = $4
         WHERE function_id = $1
         RETURNING is_paused, pause_changed_at AS changed_at, pause_changed_by AS changed_by, pause_reason AS reason",
        function_id.as_str(),
        paused,
        by.actor,
        reason,
    )
    .fetch_optional(&mut *tx)
    .await?;
    if pause.is_some() {
        let action = if paused { Action::PAUSE_FUNCTION } else { Action::RESUME_FUNCTION };
        actions::record(&mut tx, by, action, None, &json!({ "functionId": function_id, "reason": reason })).await?;
        tx.commit().await?;
    }
    Ok(pause)
}
