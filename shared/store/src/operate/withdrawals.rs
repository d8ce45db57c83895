//! Withdrawing jobs that wait. The withdrawal writes the job's record, whose id is unique: so of a worker that
//! decides the job and of who withdraws it, the first to commit wins, and the other one finds a decided job.

use chrono::{DateTime, TimeDelta, Utc};
use satchel_model::access::Role;
use satchel_model::ids::{JobId, Shard, UserId};
use satchel_model::operations::MAX_JOB_AGE_DAYS;
use satchel_model::operations::PayloadHash;
use satchel_model::rejection::{Rejection, RejectionCode};
use serde_json::json;

use crate::actions::{self, Action, Operator};
use crate::db::stored;
use crate::{Pool, StoreError};

/// A job that waits, wherever.
#[derive(Debug, Clone)]
pub struct WaitingElsewhere<'a> {
    /// The job.
    pub job_id: JobId,
    /// The job's type.
    pub job_type: &'a str,
    /// Whose.
    pub user_id: &'a UserId,
    /// Its user's shard.
    pub shard: Shard,
    /// When the API took it.
    pub submitted_at: DateTime<Utc>,
    /// Until when it was to wait, at least.
    pub not_before: Option<DateTime<Utc>>,
    /// Whether it is known to be quiet.
    pub is_quiet: bool,
    /// Who submitted it, as `role:subject`.
    pub submitter: &'a str,
    /// What exactly was asked, where it is known: of each job with an idempotency key.
    pub payload_hash: Option<PayloadHash>,
}

/// Rejects a job as `withdrawn`, unless it is decided: whether it did. Takes it out of the journal and from among the jobs
/// that are parked, whose next one then goes on.
///
/// # Errors
/// If Postgres is away, or a batch holds the user beyond the lock timeout.
pub async fn withdraw(
    pool: &Pool,
    job: &WaitingElsewhere<'_>,
    by: &Operator<'_>,
    role: Role,
) -> Result<bool, StoreError> {
    let mut tx = pool.0.begin().await?;
    let rejection = Rejection::new(RejectionCode::Withdrawn, "the job was withdrawn before its turn").result();
    // No other job can have the id of one without a key, so its hash is not asked for (`shared/model/src/fold/batch.rs`).
    let payload_hash = job.payload_hash.map_or([0; 32], |hash| hash.0);
    let is_withdrawn = sqlx::query_scalar!(
        r#"SELECT withdraw_job($1, $2, $3, $4, $5, $6::text::json, $7, $8, $9, $10, $11, $12) AS "is_withdrawn!""#,
        job.job_id.as_uuid(),
        job.user_id.as_str(),
        stored::shard_number(job.shard),
        job.job_type,
        &payload_hash[..],
        rejection.get(),
        job.submitter,
        job.submitted_at,
        by.actor,
        by.request_id,
        job.not_before.unwrap_or(job.submitted_at).max(job.submitted_at)
            + TimeDelta::days(i64::from(MAX_JOB_AGE_DAYS) + 1),
        job.is_quiet,
    )
    .fetch_one(&mut *tx)
    .await?;
    if !is_withdrawn {
        return Ok(false);
    }
    if role == Role::Operator {
        actions::record(&mut tx, by, Action::WITHDRAW, Some(job.job_id), &json!({})).await?;
    }
    tx.commit().await?;
    Ok(true)
}
