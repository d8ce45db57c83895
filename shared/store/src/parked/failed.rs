//! Parked jobs, as operators see them and what they do about them. Every change is recorded in its own transaction.

use chrono::{DateTime, Utc};
use satchel_model::ids::{JobId, UserId};
use satchel_model::rejection::{Rejection, RejectionCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::actions::{self, Action, Operator};
use crate::db::stored;
use crate::waiting::WaitingStatus;
use crate::{Pool, StoreError};

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
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub submitted_at: DateTime<Utc>,
    /// When it was parked.
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub parked_at: DateTime<Utc>,
    /// Attempts that failed, in all.
    pub attempts: i32,
    /// The last error.
    pub reason: Option<String>,
    /// The last attempts ([`super::MAX_KEPT_FAILURES`]), oldest first.
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
    #[serde(serialize_with = "satchel_model::moment::serialize")]
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
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub parked_before: Option<DateTime<Utc>>,
}

impl Filter {
    fn ids(&self) -> Option<Vec<Uuid>> {
        self.job_ids.as_ref().map(|job_ids| job_ids.iter().map(JobId::as_uuid).collect())
    }
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
    let ids = filter.ids();
    let retried = sqlx::query_scalar!(
        r#"SELECT job_id AS "job_id!" FROM retry_parked_jobs($1, $2, $3, $4, $5) AS retried (job_id)"#,
        ids.as_deref(),
        filter.user_id.as_ref().map(UserId::as_str),
        filter.job_type.as_deref(),
        filter.parked_before,
        limit,
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
    let ids = filter.ids();
    let result = Rejection::new(RejectionCode::Removed, "the job failed again and again, and was removed").result();
    let removed = sqlx::query_scalar!(
        r#"SELECT job_id AS "job_id!" FROM remove_parked_jobs($1, $2, $3, $4, $5, $6, $7::text::json) AS removed (job_id)"#,
        ids.as_deref(),
        filter.user_id.as_ref().map(UserId::as_str),
        filter.job_type.as_deref(),
        filter.parked_before,
        limit,
        by.actor,
        result.get(),
    )
    .fetch_all(&mut *tx)
    .await?;
    let removed = record(&mut tx, by, Action::REMOVE, filter, removed).await?;
    tx.commit().await?;
    Ok(removed)
}

/// Archives jobs that were parked more than `parked_days` days ago, the oldest first, at most `limit`; how many. Recorded
/// as done by `by`.
///
/// # Errors
/// If Postgres is away.
pub(crate) async fn expire(
    connection: &mut PgConnection,
    parked_days: i32,
    limit: i64,
    by: &Operator<'_>,
) -> Result<i64, StoreError> {
    let result = Rejection::new(RejectionCode::Expired, "the job failed, and nobody retried it in time").result();
    let expired = sqlx::query_scalar!(
        r#"SELECT expire_parked_jobs($1, $2, $3, $4, $5::text::json) AS "expired!""#,
        parked_days,
        limit,
        by.actor,
        by.request_id,
        result.get(),
    );
    Ok(expired.fetch_one(connection).await?)
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
