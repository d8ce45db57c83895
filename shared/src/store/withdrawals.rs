//! Withdrawing jobs that wait. The withdrawal writes the job's row in `jobs`, whose id is unique: so of a worker that
//! decides the job and of who withdraws it, the first to commit wins, and the other one finds a decided job.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::actions::{self, Action, Operator};
use super::parked::let_next_go;
use super::{Pool, StoreError};
use crate::domain::{JobId, MAX_JOB_AGE_DAYS, Rejection, RejectionCode, Role, Shard, UserId};
use crate::events::{EventType, JobRejected};
use crate::jobs::PayloadHash;

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
/// that are set aside, whose next one then goes on.
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
    sqlx::query!("SELECT FROM users WHERE user_id = $1 FOR NO KEY UPDATE", job.user_id.as_str())
        .execute(&mut *tx)
        .await?;
    let rejection = Rejection::new(RejectionCode::Withdrawn, "the job was withdrawn before its turn").result();
    // No other job can have the id of one without a key, so its hash is not asked for (`worker/src/decide.rs`).
    let payload_hash = job.payload_hash.map_or([0; 32], |hash| hash.0);
    let withdrawn = sqlx::query!(
        r#"WITH unjournaled AS (
               DELETE FROM journal WHERE job_id = $1 RETURNING payload_hash, body::json AS body
           ), unparked AS (
               DELETE FROM parked_jobs WHERE job_id = $1 RETURNING *
           ), archived AS (
               INSERT INTO archived_jobs (job_id, user_id, shard, type, payload_hash, actor, request_id, submitted_at,
                                          envelope_version, body, attempts, failures, set_aside_at, parked_at,
                                          archived_by, reason)
               SELECT job_id, user_id, shard, type, payload_hash, actor, request_id, submitted_at, envelope_version,
                      body, attempts, failures, set_aside_at, parked_at, $8, 'withdrawn'
               FROM unparked
               WHERE parked_at IS NOT NULL
           ), decided AS (
               INSERT INTO jobs (user_id, job_id, type, payload_hash, status, result, actor, request_id, attempts,
                                 submitted_at, applied_at)
               VALUES ($2, $1, $3,
                       COALESCE((SELECT payload_hash FROM unjournaled), (SELECT payload_hash FROM unparked), $4),
                       'rejected', $5::text::json, $6, $9, GREATEST((SELECT attempts FROM unparked), 1), $7,
                       clock_timestamp())
               ON CONFLICT (job_id) DO NOTHING
               RETURNING job_id
           ), kept AS (
               INSERT INTO withdrawals (job_id, withdrawn_by, request_id, keep_until)
               SELECT job_id, $8, $9, $10 FROM decided
           ), counted AS (
               UPDATE shard_counters
               SET rejected = rejected + 1,
                   events = events + 1,
                   last_event_at = GREATEST(last_event_at, clock_timestamp())
               WHERE shard = $11 AND EXISTS (SELECT FROM decided)
               RETURNING shard, events, last_event_at
           ), job AS (
               SELECT body -> 'job' AS body FROM unparked UNION ALL SELECT body -> 'job' FROM unjournaled
           ), told AS (
               INSERT INTO events (shard, seq, user_id, name, version, at, job_id, reason, is_quiet)
               SELECT shard, events, $2, $12, $13, last_event_at, $1, (SELECT body ->> 'reason' FROM job LIMIT 1),
                      CASE WHEN $14 OR (SELECT (body ->> 'quiet')::boolean FROM job LIMIT 1) THEN true END
               FROM counted
           )
           SELECT EXISTS (SELECT FROM decided) AS "is_withdrawn!", EXISTS (SELECT FROM unparked) AS "was_set_aside!""#,
        job.job_id.as_uuid(),
        job.user_id.as_str(),
        job.job_type,
        &payload_hash[..],
        rejection.get(),
        job.submitter,
        job.submitted_at,
        by.actor,
        by.request_id,
        job.not_before.unwrap_or(job.submitted_at).max(job.submitted_at)
            + TimeDelta::days(i64::from(MAX_JOB_AGE_DAYS) + 1),
        i32::from(job.shard.get()),
        JobRejected::NAME,
        JobRejected::VERSION,
        job.is_quiet,
    )
    .fetch_one(&mut *tx)
    .await?;
    if !withdrawn.is_withdrawn {
        return Ok(false);
    }
    if withdrawn.was_set_aside {
        let_next_go(&mut tx, &[job.user_id.as_str()]).await?;
    }
    if role == Role::Operator {
        actions::record(&mut tx, by, Action::WITHDRAW, Some(job.job_id), &json!({})).await?;
    }
    tx.commit().await?;
    Ok(true)
}
