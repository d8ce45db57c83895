//! Jobs that were decided: idempotency and job status in one table.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use satchel_model::ids::JobId;
use satchel_model::ledger::{Body, BodyError};
use satchel_model::records::{JobRecord, JobStatus};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::db::stored::{self, Unreadable};
use crate::{Pool, StoreError, Tx};

struct Row {
    user_id: String,
    job_id: Uuid,
    at: DateTime<Utc>,
    is_rejected: bool,
    body: String,
}

impl TryFrom<Row> for JobRecord {
    type Error = Unreadable;

    fn try_from(row: Row) -> Result<Self, Unreadable> {
        let unreadable = |error: BodyError| Unreadable::new("body", error);
        let user_id = stored::user_id(&row.user_id)?;
        let body = Body::parse(&row.body).map_err(unreadable)?;
        let submitted_at = DateTime::from_timestamp_micros(body.submitted_at);
        Ok(Self {
            job_id: row.job_id.into(),
            job_type: body.job_type().map_err(unreadable)?.into_owned().into(),
            status: if row.is_rejected { JobStatus::Rejected } else { JobStatus::Applied },
            submitted_at: submitted_at.ok_or_else(|| Unreadable::new("body", "submittedAt is no time"))?,
            applied_at: row.at,
            attempts: body.attempts,
            result: body.result.unwrap_or(RawValue::NULL).to_owned(),
            payload_hash: body.payload_hash(&user_id),
            actor: body.actor_of(&user_id),
            request_id: body.request_id.into_owned(),
            user_id,
        })
    }
}

/// The decided jobs among `job_ids`, whoever their users are.
pub(crate) async fn select<'e>(
    executor: impl sqlx::PgExecutor<'e>,
    job_ids: &[JobId],
) -> Result<HashMap<JobId, JobRecord>, StoreError> {
    let job_ids: Vec<_> = job_ids.iter().map(JobId::as_uuid).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT user_id, job_id AS "job_id!", at, is_rejected, body
           FROM records
           JOIN user_names USING (shard, uid)
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
