//! Parked jobs, as operators see them and what they do about them. Every change is recorded in its own transaction.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::actions::{self, Action, Operator};
use super::parked::let_next_go;
use super::waiting::WaitingStatus;
use super::{Pool, StoreError, stored};
use crate::domain::{JobId, Rejection, RejectionCode, UserId};
use crate::events::{EventType, JobRejected};

/// A parked job.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedJob {
    /// The job.
    pub job_id: JobId,
    /// The job's type.
    #[serde(rename = "type")]
    pub job_type: String,
    /// Whose.
    pub user_id: UserId,
    /// Its user's shard.
    pub shard: u16,
    /// Always parked.
    pub status: WaitingStatus,
    /// When the API took it.
    #[serde(serialize_with = "crate::moment::serialize")]
    pub submitted_at: DateTime<Utc>,
    /// When it was parked.
    #[serde(serialize_with = "crate::moment::serialize")]
    pub parked_at: DateTime<Utc>,
    /// Attempts that failed, in all.
    pub attempts: i32,
    /// The last error.
    pub reason: Option<String>,
    /// The last attempts ([`super::parked::MAX_KEPT_FAILURES`]), oldest first.
    pub failures: Vec<Failure>,
    /// How many later jobs of its user wait for it.
    pub held_behind: i64,
    /// The job as it was submitted, in canonical form.
    pub job: Box<RawValue>,
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When, by the database's clock.
    #[serde(serialize_with = "crate::moment::serialize")]
    pub at: DateTime<Utc>,
    /// What Postgres said.
    pub error: String,
}

/// Which parked jobs are meant; all that is given must fit.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Filter {
    /// Of this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Of this type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub job_type: Option<String>,
    /// Of these jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_ids: Option<Vec<JobId>>,
    /// Parked before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::moment::serialize")]
    pub parked_before: Option<DateTime<Utc>>,
}

/// A page of the parked jobs, the longest parked first; `after` is where the page before ended.
///
/// # Errors
/// If Postgres is away.
pub async fn page(
    pool: &Pool,
    after: Option<(DateTime<Utc>, JobId)>,
    limit: i64,
) -> Result<Vec<FailedJob>, StoreError> {
    let (parked_at, job_id) = after.map_or((DateTime::UNIX_EPOCH, Uuid::nil()), |(at, job_id)| (at, job_id.as_uuid()));
    let rows = sqlx::query!(
        r#"SELECT job_id, type AS job_type, user_id, shard, submitted_at, parked_at AS "parked_at!", attempts,
                  failures AS "failures: Json<Vec<Failure>>", body -> 'job' AS "job!: Json<Box<RawValue>>",
                  (
                      SELECT count(*)
                      FROM parked_jobs AS later
                      WHERE later.user_id = parked_jobs.user_id AND later.position > parked_jobs.position
                  ) AS "held_behind!"
           FROM parked_jobs
           WHERE state = 'parked' AND (parked_at, job_id) > ($1, $2)
           ORDER BY parked_at, job_id
           LIMIT $3"#,
        parked_at,
        job_id,
        limit,
    )
    .fetch_all(&pool.0)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(FailedJob {
                job_id: row.job_id.into(),
                job_type: row.job_type,
                user_id: stored::user_id(&row.user_id)?,
                shard: stored::shard(row.shard)?.get(),
                status: WaitingStatus::Parked,
                submitted_at: row.submitted_at,
                parked_at: row.parked_at,
                attempts: row.attempts,
                reason: row.failures.last().map(|failure| failure.error.clone()),
                failures: row.failures.0,
                held_behind: row.held_behind,
                job: row.job.0,
            })
        })
        .collect()
}

/// Has parked jobs tried again, the longest parked first, at most `limit`: at once, with all their tries before them.
/// Their ids. Their users' later jobs follow when they are decided.
///
/// # Errors
/// If Postgres is away, or a batch holds a user beyond the lock timeout.
pub async fn retry(pool: &Pool, filter: &Filter, limit: i64, by: &Operator<'_>) -> Result<Vec<JobId>, StoreError> {
    let mut tx = pool.0.begin().await?;
    let meant = lock(&mut tx, filter, limit).await?;
    let retried = sqlx::query_scalar!(
        "UPDATE parked_jobs
         SET state = 'retrying', next_attempt_at = clock_timestamp(), tries = 0, parked_at = NULL
         WHERE job_id = ANY($1) AND parked_at IS NOT NULL
         RETURNING job_id",
        &meant,
    )
    .fetch_all(&mut *tx)
    .await?;
    let retried = record(&mut tx, by, Action::RETRY, filter, retried).await?;
    tx.commit().await?;
    Ok(retried)
}

/// Removes parked jobs, the longest parked first, at most `limit`: they are archived, and rejected as `removed`, so
/// that their idempotency keys stay known. Their ids. The next job of each of their users goes on.
///
/// # Errors
/// If Postgres is away, or a batch holds a user beyond the lock timeout.
pub async fn remove(pool: &Pool, filter: &Filter, limit: i64, by: &Operator<'_>) -> Result<Vec<JobId>, StoreError> {
    let mut tx = pool.0.begin().await?;
    let rejection = Rejection::new(RejectionCode::Removed, "the job failed again and again, and was removed");
    let meant = lock(&mut tx, filter, limit).await?;
    let removed = archive(&mut tx, &meant, "removed", &rejection, by).await?;
    let removed = record(&mut tx, by, Action::REMOVE, filter, removed).await?;
    tx.commit().await?;
    Ok(removed)
}

/// Archives jobs that were parked before a moment, at most `limit`, and rejects them as `expired`. Their ids.
pub(super) async fn expire(
    connection: &mut PgConnection,
    parked_before: DateTime<Utc>,
    limit: i64,
    by: &Operator<'_>,
) -> Result<Vec<JobId>, StoreError> {
    let filter = Filter { parked_before: Some(parked_before), ..Filter::default() };
    let rejection = Rejection::new(RejectionCode::Expired, "the job failed, and nobody retried it in time");
    let meant = lock(connection, &filter, limit).await?;
    let expired = archive(connection, &meant, "expired", &rejection, by).await?;
    record(connection, by, Action::EXPIRE, &filter, expired).await
}

/// The parked jobs that are meant, the longest parked first, with their users locked: what is still parked under the
/// lock stays so.
async fn lock(connection: &mut PgConnection, filter: &Filter, limit: i64) -> Result<Vec<Uuid>, StoreError> {
    let job_ids: Option<Vec<_>> = filter.job_ids.as_ref().map(|job_ids| job_ids.iter().map(JobId::as_uuid).collect());
    // The two differ in the index that finds the rows. That parked_at is set means the same as the state, but does not
    // lead Postgres to read all parked jobs for a few ids.
    let (user_ids, job_ids): (Vec<String>, Vec<Uuid>) = if let Some(job_ids) = job_ids {
        let rows = sqlx::query!(
            "SELECT user_id, job_id
             FROM parked_jobs
             WHERE job_id = ANY($1)
               AND parked_at IS NOT NULL
               AND ($2::text IS NULL OR user_id = $2)
               AND ($3::text IS NULL OR type = $3)
               AND ($4::timestamptz IS NULL OR parked_at < $4)
             ORDER BY parked_at, job_id
             LIMIT $5",
            &job_ids,
            filter.user_id.as_ref().map(UserId::as_str),
            filter.job_type.as_deref(),
            filter.parked_before,
            limit,
        );
        rows.fetch_all(&mut *connection).await?.into_iter().map(|row| (row.user_id, row.job_id)).unzip()
    } else {
        let rows = sqlx::query!(
            "SELECT user_id, job_id
             FROM parked_jobs
             WHERE state = 'parked'
               AND ($1::text IS NULL OR user_id = $1)
               AND ($2::text IS NULL OR type = $2)
               AND parked_at < COALESCE($3::timestamptz, 'infinity')
             ORDER BY parked_at, job_id
             LIMIT $4",
            filter.user_id.as_ref().map(UserId::as_str),
            filter.job_type.as_deref(),
            filter.parked_before,
            limit,
        );
        rows.fetch_all(&mut *connection).await?.into_iter().map(|row| (row.user_id, row.job_id)).unzip()
    };
    lock_users(connection, filter, user_ids, job_ids).await
}

/// Locks the users' rows, in the order in which batches lock them as well; the jobs whose users are locked. Asked for
/// by id, jobs wait for whoever has their users' rows; of many, those that someone else has are left for another time.
async fn lock_users(
    connection: &mut PgConnection,
    filter: &Filter,
    user_ids: Vec<String>,
    job_ids: Vec<Uuid>,
) -> Result<Vec<Uuid>, StoreError> {
    if filter.job_ids.is_some() {
        sqlx::query!("SELECT FROM users WHERE user_id = ANY($1) ORDER BY user_id FOR NO KEY UPDATE", &user_ids)
            .execute(connection)
            .await?;
        return Ok(job_ids);
    }
    let locked = sqlx::query_scalar!(
        "SELECT user_id FROM users WHERE user_id = ANY($1) ORDER BY user_id FOR NO KEY UPDATE SKIP LOCKED",
        &user_ids,
    );
    let locked: HashSet<String> = locked.fetch_all(connection).await?.into_iter().collect();
    let jobs = user_ids.iter().zip(job_ids);
    Ok(jobs.filter(|(user_id, _)| locked.contains(*user_id)).map(|(_, job_id)| job_id).collect())
}

/// Takes jobs that are still parked out, into the archive and among the decided ones; their users' next jobs go on.
async fn archive(
    connection: &mut PgConnection,
    job_ids: &[Uuid],
    reason: &str,
    rejection: &Rejection,
    by: &Operator<'_>,
) -> Result<Vec<Uuid>, StoreError> {
    let result = rejection.result();
    let rows = sqlx::query!(
        "WITH gone AS (
             DELETE FROM parked_jobs WHERE job_id = ANY($1) AND parked_at IS NOT NULL RETURNING *
         ), archived AS (
             INSERT INTO archived_jobs (job_id, user_id, shard, type, payload_hash, actor, request_id, submitted_at,
                                        envelope_version, body, attempts, failures, set_aside_at, parked_at,
                                        archived_by, reason)
             SELECT job_id, user_id, shard, type, payload_hash, actor, request_id, submitted_at,
                    envelope_version, body, attempts, failures, set_aside_at, parked_at, $2, $3
             FROM gone
         ), decided AS (
             INSERT INTO jobs (user_id, job_id, type, payload_hash, status, result, actor, request_id, attempts,
                               submitted_at, applied_at)
             SELECT user_id, job_id, type, payload_hash, 'rejected', $4::text::json, actor, request_id,
                    GREATEST(attempts, 1), submitted_at, clock_timestamp()
             FROM gone
             ORDER BY job_id
             ON CONFLICT (job_id) DO NOTHING
             RETURNING job_id
         ), counts AS (
             SELECT shard, count(*) AS rejected
             FROM gone
             JOIN decided USING (job_id)
             GROUP BY shard
         ), counters AS (
             SELECT shard_counters.shard, counts.rejected, shard_counters.events
             FROM counts
             JOIN shard_counters USING (shard)
             ORDER BY shard
             FOR NO KEY UPDATE OF shard_counters
         ), counted AS (
             UPDATE shard_counters
             SET rejected = shard_counters.rejected + counters.rejected,
                 events = shard_counters.events + counters.rejected,
                 last_event_at = GREATEST(shard_counters.last_event_at, clock_timestamp())
             FROM counters
             WHERE shard_counters.shard = counters.shard
             RETURNING shard_counters.shard, last_event_at
         ), told AS (
             INSERT INTO events (shard, seq, user_id, name, version, at, job_id, reason,
                                 is_quiet)
             SELECT shard, counters.events + row_number() OVER (PARTITION BY shard ORDER BY position), user_id, $5, $6,
                    counted.last_event_at, job_id, body -> 'job' ->> 'reason',
                    CASE WHEN (body -> 'job' ->> 'quiet')::boolean THEN true END
             FROM gone
             JOIN decided USING (job_id)
             JOIN counters USING (shard)
             JOIN counted USING (shard)
         )
         SELECT user_id, job_id FROM gone",
        job_ids,
        by.actor,
        reason,
        result.get(),
        JobRejected::NAME,
        JobRejected::VERSION,
    )
    .fetch_all(&mut *connection)
    .await?;
    let user_ids: Vec<_> = rows.iter().map(|row| row.user_id.as_str()).collect();
    let_next_go(connection, &user_ids).await?;
    Ok(rows.iter().map(|row| row.job_id).collect())
}

/// Records an action on these jobs, unless there are none.
async fn record(
    connection: &mut PgConnection,
    by: &Operator<'_>,
    action: &str,
    filter: &Filter,
    job_ids: Vec<Uuid>,
) -> Result<Vec<JobId>, StoreError> {
    let job_ids: Vec<_> = job_ids.into_iter().map(JobId::from).collect();
    if job_ids.is_empty() {
        return Ok(job_ids);
    }
    let is_one = filter.job_ids.as_ref().is_some_and(|asked| asked.len() == 1);
    let job_id = job_ids.first().copied().filter(|_| is_one);
    let detail = json!({ "filter": filter, "jobIds": job_ids });
    actions::record(connection, by, action, job_id, &detail).await?;
    Ok(job_ids)
}
