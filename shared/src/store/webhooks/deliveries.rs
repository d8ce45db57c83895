//! The log of an endpoint's deliveries: its runs.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use super::FUNCTION;
use crate::domain::RunId;
use crate::store::actions::{self, Action, Operator};
use crate::store::failed::Failure;
use crate::store::functions::{Row, Run, RunStatus};
use crate::store::{Pool, StoreError};

/// A page of an endpoint's deliveries, newest first; `before` is where the page before ended.
///
/// # Errors
/// If Postgres is away.
pub async fn page(
    pool: &Pool,
    endpoint_id: Uuid,
    status: Option<RunStatus>,
    before: Option<(DateTime<Utc>, RunId)>,
    limit: i64,
) -> Result<Vec<Run>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT run_id, function_id, target, events.id AS "event_id?", events.job_id AS "event_job_id?", event_name,
                  function_runs.user_id, status, replay_id, attempts, failures AS "failures: Json<Vec<Failure>>",
                  created_at, due_at, finished_at
           FROM function_runs
           LEFT JOIN events ON events.shard = function_runs.shard AND events.seq = event_seq
           WHERE function_id = $1 AND target = $2 AND target <> ''
             AND ($3::text IS NULL OR status = $3)
             AND (created_at, run_id) < (COALESCE($4::timestamptz, 'infinity'), $5)
           ORDER BY created_at DESC, run_id DESC
           LIMIT $6"#,
        FUNCTION,
        endpoint_id.to_string(),
        status.map(RunStatus::as_str),
        before.map(|(at, _)| at),
        before.map_or(Uuid::max(), |(_, run_id)| run_id.as_uuid()),
        limit,
    )
    .fetch_all(&pool.0)
    .await?;
    Ok(rows.into_iter().map(Run::try_from).collect::<Result<_, _>>()?)
}

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
         SET status = 'queued', tries = 0, is_cancelled = false, due_at = clock_timestamp(), finished_at = NULL
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
