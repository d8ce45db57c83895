//! Parked jobs, as the worker handles them: those that failed, and behind each, in order, the later ones of its user.
//!
//! A user of whom there are any is blocked (`users.is_blocked`). Rows of a user are written under the lock on its row in
//! `users` alone. The first one (lowest position) is retrying or parked; the others are blocked.

pub mod failed;
mod job;
pub mod quarantine;

use std::collections::HashMap;

use satchel_model::ids::{JobId, Shard, UserId};
use satchel_wire::envelope;
use sqlx::PgConnection;

use crate::db::stored;
use crate::waiting::{self, WaitingJob};
use crate::{Pool, Session, StoreError, Tx};

pub use job::{NewParked, ParkedJob, ParkedState};

/// Most failures kept of one job; the oldest go first.
pub const MAX_KEPT_FAILURES: i32 = 20;
/// Most characters kept of one error.
pub const MAX_ERROR_CHARS: usize = 2_000;

/// Adds later jobs of blocked users, in this order. One that is there already is passed over; so is one under whose
/// id another job is there, and its id is returned. Takes the jobs out of the journal.
///
/// # Errors
/// If Postgres is away.
pub async fn block(tx: &mut Tx<'_>, jobs: &[NewParked<'_>]) -> Result<Vec<JobId>, StoreError> {
    insert(tx, jobs, ParkedState::Blocked, None, None).await
}

/// Adds a job that failed for the first time and blocks its user. It is due again in `retry_in_ms` milliseconds;
/// parked if that is `None`. `false` if another job is there under its id: then nothing is changed.
///
/// # Errors
/// If Postgres is away.
pub async fn park(
    tx: &mut Tx<'_>,
    job: &NewParked<'_>,
    error: &str,
    retry_in_ms: Option<u32>,
) -> Result<bool, StoreError> {
    let state = if retry_in_ms.is_some() { ParkedState::Retrying } else { ParkedState::Parked };
    if !insert(tx, std::slice::from_ref(job), state, Some(error), retry_in_ms).await?.is_empty() {
        return Ok(false);
    }
    sqlx::query!(
        "UPDATE users
         SET is_blocked = true
         FROM user_names
         WHERE user_names.user_id = $1 AND users.shard = user_names.shard AND users.uid = user_names.uid",
        job.envelope.job.user_id.as_str(),
    )
    .execute(&mut *tx.0)
    .await?;
    Ok(true)
}

/// How many jobs of each of these users are parked or blocked, up to `most`; without those of whom none is.
///
/// # Errors
/// If Postgres is away.
pub async fn count_of(pool: &Pool, user_ids: &[&UserId], most: u32) -> Result<HashMap<UserId, u32>, StoreError> {
    if user_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let asked: Vec<&str> = user_ids.iter().map(|user_id| user_id.as_str()).collect();
    let rows = sqlx::query!(
        r#"SELECT user_id,
                  (SELECT count(*) FROM (
                       SELECT FROM parked_jobs WHERE parked_jobs.user_id = user_names.user_id LIMIT $2
                   ) AS parked) AS "jobs!"
           FROM user_names
           JOIN users USING (shard, uid)
           WHERE user_id = ANY($1) AND is_blocked"#,
        &asked as &[&str],
        i64::from(most),
    );
    let rows = rows.fetch_all(&pool.0).await?;
    rows.into_iter()
        .map(|row| Ok((stored::user_id(&row.user_id)?, u32::try_from(row.jobs).unwrap_or(u32::MAX))))
        .collect()
}

/// Adds rows, with one failure each if there is an error; the ids under which another job is there.
async fn insert(
    tx: &mut Tx<'_>,
    jobs: &[NewParked<'_>],
    state: ParkedState,
    error: Option<&str>,
    retry_in_ms: Option<u32>,
) -> Result<Vec<JobId>, StoreError> {
    let user_ids: Vec<_> = jobs.iter().map(|job| job.envelope.job.user_id.as_str()).collect();
    let job_ids: Vec<_> = jobs.iter().map(|job| job.envelope.job_id.as_uuid()).collect();
    let shards: Vec<_> = jobs.iter().map(|job| stored::shard_number(job.shard)).collect();
    let types: Vec<_> = jobs.iter().map(|job| job.envelope.job.work.name()).collect();
    let payload_hashes: Vec<_> = jobs.iter().map(|job| &job.payload_hash.0[..]).collect();
    let actors: Vec<_> = jobs.iter().map(|job| job.envelope.actor.to_string()).collect();
    let request_ids: Vec<_> = jobs.iter().map(|job| job.envelope.request_id.as_str()).collect();
    let submitted_at: Vec<_> = jobs.iter().map(|job| job.envelope.submitted_at).collect();
    let bodies: Vec<_> = jobs.iter().map(|job| job.envelope.body()).collect();
    let macs: Vec<_> = jobs.iter().zip(&bodies).map(|(job, body)| job.key.sign(body)).collect();
    let others = sqlx::query_scalar!(
        r#"WITH given AS (
               SELECT *
               FROM UNNEST($1::text[], $2::uuid[], $3::integer[], $4::text[], $5::bytea[], $6::text[], $7::text[],
                           $8::timestamptz[], $9::text[], $14::bytea[])
                    WITH ORDINALITY
                    AS given (user_id, job_id, shard, type, payload_hash, actor, request_id, submitted_at, body, mac,
                              place)
           ), unjournaled AS (
               DELETE FROM journal WHERE job_id = ANY($2)
           ), added AS (
               INSERT INTO parked_jobs (user_id, job_id, shard, state, type, payload_hash, actor, request_id,
                                        submitted_at, envelope_version, body, mac, attempts, tries, failures,
                                        next_attempt_at, parked_at)
               SELECT user_id, job_id, shard, $10, type, payload_hash, actor, request_id, submitted_at, $11, body::json,
                      mac, failed.times, failed.times, failed.failures,
                      CASE WHEN $10 = 'retrying' THEN clock_timestamp() + $13 * interval '1 millisecond' END,
                      CASE WHEN $10 = 'parked' THEN clock_timestamp() END
               FROM given
               CROSS JOIN (
                   SELECT CASE WHEN $12::text IS NULL THEN 0 ELSE 1 END AS times,
                          CASE WHEN $12 IS NULL THEN '[]'
                               ELSE jsonb_build_array(jsonb_build_object('at', clock_timestamp(), 'error', $12))
                          END AS failures
               ) AS failed
               -- Another shard's job may have the id of an event as well.
               WHERE NOT EXISTS (SELECT FROM parked_jobs AS other WHERE other.job_id = given.job_id)
               ORDER BY place
               ON CONFLICT (job_id, shard) DO NOTHING
           )
           SELECT given.job_id AS "job_id!"
           FROM given
           JOIN parked_jobs AS other USING (job_id)
           WHERE (other.user_id, other.payload_hash) IS DISTINCT FROM (given.user_id, given.payload_hash)"#,
        &user_ids as &[&str],
        &job_ids,
        &shards,
        &types as &[&str],
        &payload_hashes as &[&[u8]],
        &actors,
        &request_ids as &[&str],
        &submitted_at,
        &bodies,
        state.as_str(),
        i32::try_from(envelope::VERSION).unwrap_or(i32::MAX),
        error.map(kept),
        retry_in_ms.map(f64::from),
        &macs,
    )
    .fetch_all(&mut *tx.0)
    .await?;
    Ok(others.into_iter().map(JobId::from).collect())
}

/// Notes that a user's first job failed again. It is due in `retry_in_ms` milliseconds; parked if that is `None`.
///
/// # Errors
/// If Postgres is away.
pub async fn fail_again(
    tx: &mut Tx<'_>,
    user_id: &UserId,
    position: i64,
    error: &str,
    retry_in_ms: Option<u32>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE parked_jobs
         SET attempts = attempts + 1,
             tries = tries + 1,
             failures = CASE WHEN jsonb_array_length(failures) < $5 THEN failures ELSE failures - 0 END
                        || jsonb_build_array(jsonb_build_object('at', clock_timestamp(), 'error', $3::text)),
             state = CASE WHEN $4::float8 IS NULL THEN 'parked' ELSE 'retrying' END,
             next_attempt_at = clock_timestamp() + $4 * interval '1 millisecond',
             parked_at = CASE WHEN $4 IS NULL THEN clock_timestamp() END
         WHERE user_id = $1 AND position = $2",
        user_id.as_str(),
        position,
        kept(error),
        retry_in_ms.map(f64::from),
        MAX_KEPT_FAILURES,
    )
    .execute(&mut *tx.0)
    .await?;
    Ok(())
}

/// An error as it is kept: not endless, and of characters that Postgres takes.
pub(super) fn kept(error: &str) -> String {
    error.chars().filter(|c| *c != '\0').take(MAX_ERROR_CHARS).collect()
}

/// Users of these shards whose first job is to be tried again now, the longest due first.
///
/// # Errors
/// If Postgres is away.
pub async fn due(session: &mut Session, shards: &[Shard], max_users: i64) -> Result<Vec<String>, StoreError> {
    // By the statement's clock, which does not move while it runs: so the index can be asked.
    let user_ids = sqlx::query_scalar!(
        "SELECT user_id
         FROM parked_jobs
         WHERE state = 'retrying' AND shard = ANY($1) AND next_attempt_at <= statement_timestamp()
         ORDER BY next_attempt_at
         LIMIT $2",
        &stored::shard_numbers(shards),
        max_users,
    )
    .fetch_all(session.connection().await?)
    .await?;
    Ok(user_ids)
}

/// The parked jobs of those users whose first one is to be tried now; by user, each one's in order, at most
/// `max_jobs` in all, shared out evenly. The users' rows must be locked.
///
/// # Errors
/// If Postgres is away.
pub async fn chain(tx: &mut Tx<'_>, user_ids: &[String], max_jobs: i64) -> Result<Vec<ParkedJob>, StoreError> {
    let rows = sqlx::query_as!(
        job::Row,
        r#"SELECT job.user_id AS "user_id!", job.position AS "position!", job.job_id AS "job_id!", job.shard AS "shard!",
                  job.state AS "state!", job.envelope_version AS "envelope_version!", job.body::text AS "body!",
                  job.mac AS "mac!", job.attempts AS "attempts!", job.tries AS "tries!", clock_timestamp() AS "read_at!"
           FROM UNNEST($1::text[]) AS wanted (user_id)
           CROSS JOIN LATERAL (
               SELECT state, next_attempt_at
               FROM parked_jobs
               WHERE parked_jobs.user_id = wanted.user_id
               ORDER BY position
               LIMIT 1
           ) AS first
           CROSS JOIN LATERAL (
               SELECT *
               FROM parked_jobs
               WHERE parked_jobs.user_id = wanted.user_id
               ORDER BY position
               LIMIT GREATEST($2::bigint / cardinality($1::text[]), 1)
           ) AS job
           WHERE first.state = 'retrying' AND first.next_attempt_at <= clock_timestamp()
           ORDER BY job.user_id, job.position
           LIMIT $2"#,
        user_ids,
        max_jobs,
    )
    .fetch_all(&mut *tx.0)
    .await?;
    Ok(rows.into_iter().map(ParkedJob::try_from).collect::<Result<_, _>>()?)
}

/// Deletes jobs that were decided, and lets the next one of each of these users go: at once, with all its tries before
/// it. Who has none left is not blocked any more.
///
/// # Errors
/// If Postgres is away.
pub async fn release(tx: &mut Tx<'_>, done: &[JobId], user_ids: &[&UserId]) -> Result<(), StoreError> {
    let done: Vec<_> = done.iter().map(JobId::as_uuid).collect();
    let user_ids: Vec<_> = user_ids.iter().map(|user_id| user_id.as_str()).collect();
    sqlx::query!("DELETE FROM parked_jobs WHERE job_id = ANY($1) AND user_id = ANY($2)", &done, &user_ids as &[&str],)
        .execute(&mut *tx.0)
        .await?;
    let_next_go(&mut tx.0, &user_ids).await
}

/// Lets the first of each user's blocked jobs go on, and unblocks users who have no more. Their rows
/// must be locked.
pub(super) async fn let_next_go(connection: &mut PgConnection, user_ids: &[&str]) -> Result<(), StoreError> {
    sqlx::query!("SELECT FROM let_next_go($1)", user_ids as &[&str]).execute(connection).await?;
    Ok(())
}

/// Those of the jobs that are parked or blocked.
///
/// # Errors
/// If Postgres is away.
pub async fn find_many(pool: &Pool, job_ids: &[JobId]) -> Result<HashMap<JobId, WaitingJob>, StoreError> {
    let job_ids: Vec<_> = job_ids.iter().map(JobId::as_uuid).collect();
    let rows = sqlx::query_as!(
        waiting::Row,
        r#"SELECT job_id, type AS job_type, user_id, state, submitted_at,
                  body::text AS "body!", attempts, actor, payload_hash
           FROM parked_jobs
           WHERE job_id = ANY($1)"#,
        &job_ids,
    )
    .fetch_all(&pool.0)
    .await?;
    Ok(waiting::by_job_id(rows)?)
}
