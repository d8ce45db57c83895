//! Functions and runs as operators see them, and what they do about them, which is recorded in the same transaction.

use chrono::{DateTime, Utc};
use satchel_model::ids::{FunctionId, JobId, RunId};
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Run, RunStatus};
use crate::actions::{self, Action, Operator};
use crate::db::stored;
use crate::db::stored::Unreadable;
use crate::parked::failed::Failure;
use crate::{Pool, StoreError};

/// Whether a worker has ever run the function.
///
/// # Errors
/// If Postgres is away.
pub async fn is_known(pool: &Pool, function_id: &FunctionId) -> Result<bool, StoreError> {
    let known = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM functions WHERE function_id = $1) AS "known!""#,
        function_id.as_str(),
    );
    Ok(known.fetch_one(&pool.0).await?)
}

/// A run's row.
struct Row {
    run_id: Uuid,
    function_id: String,
    target: String,
    event_id: Option<String>,
    event_job_id: Option<Uuid>,
    event_name: String,
    user_id: String,
    status: String,
    replay_id: Option<Uuid>,
    attempts: i32,
    failures: Json<Vec<Failure>>,
    cancel_reason: Option<String>,
    created_at: DateTime<Utc>,
    due_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Run {
    type Error = Unreadable;

    fn try_from(row: Row) -> Result<Self, Unreadable> {
        let status = RunStatus::parse(&row.status).ok_or_else(|| Unreadable::new("status", &row.status))?;
        let waits = matches!(status, RunStatus::Queued | RunStatus::Retrying | RunStatus::Sleeping);
        Ok(Self {
            run_id: row.run_id.into(),
            function_id: FunctionId::parse(&row.function_id).map_err(|error| Unreadable::new("function_id", error))?,
            target: row.target,
            event_id: row.event_id.or_else(|| row.event_job_id.map(|id| JobId::from(id).to_string())),
            event_name: row.event_name,
            user_id: stored::user_id(&row.user_id)?,
            status,
            is_replay: row.replay_id.is_some(),
            attempts: row.attempts,
            failures: row.failures.0,
            cancel_reason: row.cancel_reason,
            created_at: row.created_at,
            due_at: Some(row.due_at).filter(|_| waits),
            finished_at: row.finished_at,
        })
    }
}

/// A page of a function's runs, newest first; `before` is where the page before ended.
///
/// # Errors
/// If Postgres is away.
pub async fn runs(
    pool: &Pool,
    function_id: &FunctionId,
    status: Option<RunStatus>,
    target: Option<&str>,
    before: Option<(DateTime<Utc>, RunId)>,
    limit: i64,
) -> Result<Vec<Run>, StoreError> {
    let mut tx = pool.0.begin().await?;
    // Which index is the right one, of all runs, of a target's or of those to repair, is for the filters to say.
    sqlx::query!("SET LOCAL plan_cache_mode = force_custom_plan").execute(&mut *tx).await?;
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT run_id, function_id, target, events.id AS "event_id?", events.job_id AS "event_job_id?", event_name,
                  function_runs.user_id, status, replay_id, attempts, failures AS "failures: Json<Vec<Failure>>",
                  cancel_reason, created_at, due_at, finished_at
           FROM function_runs
           LEFT JOIN LATERAL events_between(function_runs.shard, event_seq, event_seq) AS events ON true
           WHERE function_id = $1
             AND ($2::text IS NULL OR status = $2)
             AND ($3::text IS NULL OR target = $3)
             AND (created_at, run_id) < (COALESCE($4::timestamptz, 'infinity'), $5)
           ORDER BY created_at DESC, run_id DESC
           LIMIT $6"#,
        function_id.as_str(),
        status.map(RunStatus::as_str),
        target,
        before.map(|(at, _)| at),
        before.map_or(Uuid::max(), |(_, run_id)| run_id.as_uuid()),
        limit,
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(rows.into_iter().map(Run::try_from).collect::<Result<_, _>>()?)
}

/// One run.
///
/// # Errors
/// If Postgres is away.
pub async fn run(pool: &Pool, run_id: RunId) -> Result<Option<Run>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT run_id, function_id, target, events.id AS "event_id?", events.job_id AS "event_job_id?", event_name,
                  function_runs.user_id, status, replay_id, attempts, failures AS "failures: Json<Vec<Failure>>",
                  cancel_reason, created_at, due_at, finished_at
           FROM function_runs
           LEFT JOIN LATERAL events_between(function_runs.shard, event_seq, event_seq) AS events ON true
           WHERE run_id = $1"#,
        run_id.as_uuid(),
    )
    .fetch_optional(&pool.0)
    .await?;
    Ok(row.map(Run::try_from).transpose()?)
}

/// Has a run that failed or was cancelled go on: what it has done stays done. One in order waits for another one of its
/// user that has begun meanwhile. `false` if it is in another state.
///
/// # Errors
/// If Postgres is away.
pub async fn retry(pool: &Pool, run_id: RunId, by: &Operator<'_>) -> Result<bool, StoreError> {
    let mut tx = pool.0.begin().await?;
    let retried = sqlx::query_scalar!(r#"SELECT retry_run($1) AS "retried!""#, run_id.as_uuid());
    let is_retried = retried.fetch_one(&mut *tx).await?;
    if is_retried {
        actions::record(&mut tx, by, Action::RETRY_RUN, None, &json!({ "runId": run_id })).await?;
        tx.commit().await?;
    }
    Ok(is_retried)
}

/// Ends a run: at once if it waits, before its next step if it goes on. `false` if it has ended.
///
/// # Errors
/// If Postgres is away.
pub async fn cancel(pool: &Pool, run_id: RunId, by: &Operator<'_>) -> Result<bool, StoreError> {
    let mut tx = pool.0.begin().await?;
    let is_done = super::cancel::end(&mut tx, &[run_id.as_uuid()], None).await? > 0;
    if is_done {
        actions::record(&mut tx, by, Action::CANCEL_RUN, None, &json!({ "runId": run_id })).await?;
        tx.commit().await?;
    }
    Ok(is_done)
}
