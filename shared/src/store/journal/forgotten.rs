//! Which accepted jobs the queue has forgotten: what the journal has from before the queue's first entries.

use std::collections::HashMap;

use super::{Journaled, Row};
use crate::domain::{JobId, Shard};
use crate::store::{Session, StoreError, stored};

/// How long a job is left alone that was put into the queue again, in milliseconds.
const REFEED_AGAIN_MS: u32 = 30_000;

/// Whether any of these shards has a job that should have been decided `older_than_ms` milliseconds ago. Cheap where the
/// journal is empty or young.
///
/// # Errors
/// If Postgres is away.
pub async fn has_overdue(session: &mut Session, shards: &[Shard], older_than_ms: u32) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT
               FROM UNNEST($1::integer[]) AS wanted (shard)
               CROSS JOIN LATERAL (
                   SELECT
                   FROM journal
                   WHERE journal.shard = wanted.shard
                     AND accepted_at < statement_timestamp() - $2 * interval '1 millisecond'
                     AND (not_before IS NULL OR not_before < statement_timestamp() - $2 * interval '1 millisecond')
                   ORDER BY seq
                   LIMIT 1
               ) AS late
           ) AS "found!""#,
        &stored::shard_numbers(shards),
        f64::from(older_than_ms),
    );
    Ok(found.fetch_one(session.connection().await?).await?)
}

/// The places of those of the jobs that the journal has and that are not delayed.
///
/// # Errors
/// If Postgres is away.
pub async fn seqs(session: &mut Session, job_ids: &[JobId]) -> Result<HashMap<JobId, i64>, StoreError> {
    let job_ids: Vec<_> = job_ids.iter().map(JobId::as_uuid).collect();
    let rows = sqlx::query!("SELECT job_id, seq FROM journal WHERE job_id = ANY($1) AND not_before IS NULL", &job_ids);
    let rows = rows.fetch_all(session.connection().await?).await?;
    Ok(rows.into_iter().map(|row| (row.job_id.into(), row.seq)).collect())
}

/// Jobs of these shards that should have been decided `older_than_ms` milliseconds ago, come before the given place
/// (before any, if there is none) and were not put into the queue again within [`REFEED_AGAIN_MS`]; at most `max_jobs` a
/// shard, each shard's in order. They count as put into the queue now. (A delayed job that was due joins behind later
/// ones, so its place tells nothing: it is among them once while it waits.)
///
/// # Errors
/// If Postgres is away.
pub async fn forgotten(
    session: &mut Session,
    before: &[(Shard, Option<i64>)],
    older_than_ms: u32,
    max_jobs: i64,
) -> Result<Vec<Journaled>, StoreError> {
    let (shards, places): (Vec<i32>, Vec<i64>) =
        before.iter().map(|(shard, seq)| (i32::from(shard.get()), seq.unwrap_or(i64::MAX))).unzip();
    let rows = sqlx::query_as!(
        Row,
        r#"WITH forgotten AS (
               SELECT late.job_id
               FROM UNNEST($1::integer[], $2::bigint[]) AS wanted (shard, before)
               CROSS JOIN LATERAL (
                   SELECT job_id
                   FROM journal
                   WHERE journal.shard = wanted.shard
                     AND seq < wanted.before
                     AND accepted_at < statement_timestamp() - $3 * interval '1 millisecond'
                     AND (not_before IS NULL OR not_before < statement_timestamp() - $3 * interval '1 millisecond')
                     AND (refed_at IS NULL OR refed_at < statement_timestamp() - $4 * interval '1 millisecond')
                   ORDER BY seq
                   LIMIT $5
                   FOR UPDATE SKIP LOCKED
               ) AS late
           ), refed AS (
               UPDATE journal
               SET refed_at = statement_timestamp()
               FROM forgotten
               WHERE journal.job_id = forgotten.job_id
               RETURNING journal.user_id, journal.job_id, journal.shard, seq, envelope_version, body
           )
           SELECT user_id, job_id, shard, seq, envelope_version, body
           FROM refed
           ORDER BY shard, seq"#,
        &shards,
        &places,
        f64::from(older_than_ms),
        f64::from(REFEED_AGAIN_MS),
        max_jobs,
    );
    let rows = rows.fetch_all(session.connection().await?).await?;
    Ok(rows.into_iter().map(Journaled::try_from).collect::<Result<_, _>>()?)
}
