//! Jobs that were decided: idempotency and job status in one table.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use satchel_model::ids::JobId;
use satchel_model::records::{JobRecord, JobStatus};
use serde_json::value::RawValue;
use sqlx::types::Json;

use crate::db::stored::{self, Unreadable};
use crate::{Pool, StoreError, Tx};

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
            status: JobStatus::parse(&row.status).ok_or_else(|| Unreadable::new("status", row.status))?,
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
