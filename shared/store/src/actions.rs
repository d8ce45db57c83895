//! What operators did to the queue: who, when, what. Append-only.

use chrono::{DateTime, Utc};
use satchel_model::ids::JobId;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::{Pool, StoreError};

/// Who acts, in which request.
#[derive(Debug, Clone, Copy)]
pub struct Operator<'a> {
    /// `role:subject`.
    pub actor: &'a str,
    /// The HTTP request.
    pub request_id: &'a str,
}

impl Operator<'_> {
    /// Satchel itself, where time makes it act.
    pub(super) const SYSTEM: Operator<'static> = Operator { actor: "system", request_id: "housekeeping" };
}

/// One thing that was done.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Rises with time, with gaps.
    pub id: i64,
    /// When, by the database's clock.
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub at: DateTime<Utc>,
    /// Who: `role:subject`, or `system`.
    pub actor: String,
    /// In which HTTP request.
    pub request_id: String,
    /// What: one of the names below.
    pub action: String,
    /// The job, if it was about a single one.
    pub job_id: Option<JobId>,
    /// What it was told and what came of it.
    pub detail: Box<RawValue>,
}

impl Action {
    /// The queue was paused.
    pub const PAUSE: &'static str = "pause";
    /// The queue was let go on.
    pub const RESUME: &'static str = "resume";
    /// Parked jobs are tried again.
    pub const RETRY: &'static str = "retry";
    /// Parked jobs were removed.
    pub const REMOVE: &'static str = "remove";
    /// A job that waited was withdrawn.
    pub const WITHDRAW: &'static str = "withdraw";
    /// What is past its retention was looked for.
    pub const CLEAN: &'static str = "clean";
    /// A function's run that had ended goes on.
    pub const RETRY_RUN: &'static str = "retry-run";
    /// A function's run was ended.
    pub const CANCEL_RUN: &'static str = "cancel-run";
    /// Many of a function's runs were ended.
    pub const CANCEL_RUNS: &'static str = "cancel-runs";
    /// A function was paused.
    pub const PAUSE_FUNCTION: &'static str = "pause-function";
    /// A function was let go on.
    pub const RESUME_FUNCTION: &'static str = "resume-function";
    /// Events are given to a function again.
    pub const REPLAY: &'static str = "replay";
    /// A webhook endpoint was added.
    pub const ADD_WEBHOOK: &'static str = "add-webhook";
    /// A webhook endpoint was changed.
    pub const CHANGE_WEBHOOK: &'static str = "change-webhook";
    /// A webhook endpoint was removed.
    pub const REMOVE_WEBHOOK: &'static str = "remove-webhook";
    /// A webhook endpoint was given another secret.
    pub const ROTATE_WEBHOOK_SECRET: &'static str = "rotate-webhook-secret";
    /// A webhook endpoint was sent a ping.
    pub const PING_WEBHOOK: &'static str = "ping-webhook";
    /// An event is delivered to a webhook endpoint again.
    pub const REDELIVER_WEBHOOK: &'static str = "redeliver-webhook";
}

/// Adds an action to the record.
pub(super) async fn record(
    connection: &mut PgConnection,
    by: &Operator<'_>,
    action: &str,
    job_id: Option<JobId>,
    detail: &Value,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO operator_actions (actor, request_id, action, job_id, detail)
         VALUES ($1, $2, $3, $4, $5::text::json)",
        by.actor,
        by.request_id,
        action,
        job_id.map(|job_id| job_id.as_uuid()),
        detail.to_string(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A page of the record, newest first; `before` is the id that the page before ended with.
///
/// # Errors
/// If Postgres is away.
pub async fn page(pool: &Pool, before: Option<i64>, limit: i64) -> Result<Vec<Action>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT id, at, actor, request_id, action, job_id, detail AS "detail: Json<Box<RawValue>>"
           FROM operator_actions
           WHERE id < $1
           ORDER BY id DESC
           LIMIT $2"#,
        before.unwrap_or(i64::MAX),
        limit,
    )
    .fetch_all(&pool.0)
    .await?;
    let actions = rows.into_iter().map(|row| Action {
        id: row.id,
        at: row.at,
        actor: row.actor,
        request_id: row.request_id,
        action: row.action,
        job_id: row.job_id.map(JobId::from),
        detail: row.detail.0,
    });
    Ok(actions.collect())
}
