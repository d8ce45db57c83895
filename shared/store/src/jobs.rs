//! Jobs that were decided: idempotency and job status in one table.

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::{DateTime, Utc};
use satchel_model::ids::{JobId, UserId};
use satchel_model::operations::PayloadHash;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;

use super::stored::{self, Unreadable};
use super::{Pool, StoreError, Tx};

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// Its changes are in the ledger.
    Applied,
    /// The rules of the game refused it.
    Rejected,
}

impl JobStatus {
    /// `applied` or `rejected`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Rejected => "rejected",
        }
    }

    fn parse(text: &str) -> Result<Self, Unreadable> {
        [Self::Applied, Self::Rejected]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| Unreadable::new("status", text))
    }
}

/// A decided job. Serialises as the job status of HTTP.md "Outcomes".
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRecord {
    /// The job.
    pub job_id: JobId,
    /// The job's type.
    #[serde(rename = "type")]
    pub job_type: Cow<'static, str>,
    /// Whose.
    pub user_id: UserId,
    /// How it ended.
    pub status: JobStatus,
    /// When the API took it.
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub submitted_at: DateTime<Utc>,
    /// When it was decided, by the database's clock.
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub applied_at: DateTime<Utc>,
    /// How often it was tried.
    pub attempts: i32,
    /// What it answers to the client.
    pub result: Box<RawValue>,
    /// What exactly was asked.
    #[serde(skip)]
    pub payload_hash: PayloadHash,
    /// Who asked, as `role:subject`.
    #[serde(skip)]
    pub actor: String,
    /// In which HTTP request.
    #[serde(skip)]
    pub request_id: String,
}

struct Row {
    user_id: String,
    job_id: uuid::Uuid,
    job_type: String,
    payload_hash: Vec<u8>,
    status: String,
    result: Json<Box<RawValue>>,
    actor: String,
    request_id: String,
    attempts: i32,
    submitted_at: DateTime<Utc>,
    applied_at: DateTime<Utc>,
}

impl TryFrom<Row> for JobRecord {
    type Error = Unreadable;

    fn try_from(row: Row) -> Result<Self, Unreadable> {
        Ok(Self {
            job_id: row.job_id.into(),
            job_type: row.job_type.into(),
            user_id: stored::user_id(&row.user_id)?,
            status: JobStatus::parse(&row.status)?,
            submitted_at: row.submitted_at,
            applied_at: row.applied_at,
            attempts: row.attempts,
            result: row.result.0,
            payload_hash: stored::payload_hash(&row.payload_hash)?,
            actor: row.actor,
            request_id: row.request_id,
        })
    }
}

/// The decided jobs among `job_ids`, whoever their users are.
async fn select<'e>(
    executor: impl sqlx::PgExecutor<'e>,
    job_ids: &[JobId],
) -> Result<HashMap<JobId, JobRecord>, StoreError> {
    let job_ids: Vec<_> = job_ids.iter().map(JobId::as_uuid).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT user_id, job_id, type AS job_type, payload_hash, status, result AS "result: Json<Box<RawValue>>",
                  actor, request_id, attempts, submitted_at, applied_at
           FROM jobs
           WHERE job_id = ANY($1)"#,
        &job_ids,
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|row| {
            let record = JobRecord::try_from(row)?;
            Ok((record.job_id, record))
        })
        .collect()
}

/// The job, if it was decided.
///
/// # Errors
/// If Postgres is away.
pub async fn find(pool: &Pool, job_id: JobId) -> Result<Option<JobRecord>, StoreError> {
    Ok(find_many(pool, &[job_id]).await?.remove(&job_id))
}

/// Those of the jobs that were decided.
///
/// # Errors
/// If Postgres is away.
pub async fn find_many(pool: &Pool, job_ids: &[JobId]) -> Result<HashMap<JobId, JobRecord>, StoreError> {
    select(&pool.0, job_ids).await
}

/// Those of the jobs that were decided, as the transaction sees them: deliveries that come again.
///
/// # Errors
/// If Postgres is away.
pub async fn find_decided(tx: &mut Tx<'_>, job_ids: &[JobId]) -> Result<HashMap<JobId, JobRecord>, StoreError> {
    select(&mut *tx.0, job_ids).await
}
