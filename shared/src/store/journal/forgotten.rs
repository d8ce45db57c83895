//! Which accepted jobs the queue has forgotten: what the journal has from before the queue's first entries.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

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
                   (SELECT accepted_at AS since
                    FROM journal
                    WHERE journal.shard = wanted.shard AND not_before IS NULL
                    ORDER BY seq
                    LIMIT 1)
                   UNION ALL
                   (SELECT not_before
                    FROM journal
                    WHERE journal.shard = wanted.shard AND not_before IS NOT NULL
                    ORDER BY not_before
                    LIMIT 1)
               ) AS first
               WHERE since < statement_timestamp() - $2 * interval '1 millisecond'
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
    // Not IS NULL: that would allow an index by shard, which a plan made for few rows may well take.
    let rows = sqlx::query!(
        "SELECT job_id, seq
         FROM journal
         WHERE job_id = ANY($1) AND COALESCE(not_before, '-infinity') = '-infinity'",
        &job_ids,
    );
    let rows = rows.fetch_all(session.connection().await?).await?;
    Ok(rows.into_iter().map(|row| (row.job_id.into(), row.seq)).collect())
}

/// What a shard's queue begins with.
#[derive(Debug, Clone, Copy)]
pub struct Beginning {
    /// The shard.
    pub shard: Shard,
    /// The place of its first job in the journal; `None` if the queue is empty.
    pub seq: Option<i64>,
    /// When its first entry was added; `None` if the queue is empty.
    pub added_at: Option<DateTime<Utc>>,
}

/// Jobs of these shards that should have been decided `older_than_ms` milliseconds ago, would stand before what their
/// queue begins with, and were not put into it again within [`REFEED_AGAIN_MS`]; at most `max_jobs` of each kind and
/// shard, each shard's in order. They count as put into the queue now. A job without delay has its place by `seq`; a
/// delayed one joined when it was due.
///
/// # Errors
/// If Postgres is away.
pub async fn forgotten(
    session: &mut Session,
    beginnings: &[Beginning],
    older_than_ms: u32,
    max_jobs: i64,
) -> Result<Vec<Journaled>, StoreError> {
    let shards: Vec<_> = beginnings.iter().map(|beginning| i32::from(beginning.shard.get())).collect();
    let seqs: Vec<_> = beginnings.iter().map(|beginning| beginning.seq.unwrap_or(i64::MAX)).collect();
    let added_at: Vec<_> = beginnings.iter().map(|beginning| beginning.added_at).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"WITH late AS (
               SELECT late.job_id
               FROM UNNEST($1::integer[], $2::bigint[], $3::timestamptz[]) AS wanted (shard, seq, added_at)
               CROSS JOIN LATERAL (
                   (SELECT job_id
                    FROM journal
                    WHERE journal.shard = wanted.shard
                      AND not_before IS NULL
                      AND journal.seq < wanted.seq
                      AND accepted_at < statement_timestamp() - $4 * interval '1 millisecond'
                      AND (refed_at IS NULL OR refed_at < statement_timestamp() - $5 * interval '1 millisecond')
                    ORDER BY journal.seq
                    LIMIT $6)
                   UNION ALL
                   (SELECT job_id
                    FROM journal
                    WHERE journal.shard = wanted.shard
                      AND not_before IS NOT NULL
                      AND not_before < LEAST(wanted.added_at, statement_timestamp()) - $4 * interval '1 millisecond'
                      AND (refed_at IS NULL OR refed_at < statement_timestamp() - $5 * interval '1 millisecond')
                    ORDER BY not_before
                    LIMIT $6)
               ) AS late
           ), held AS (
               SELECT job_id FROM journal WHERE job_id = ANY(ARRAY(SELECT job_id FROM late)) FOR UPDATE SKIP LOCKED
           ), refed AS (
               UPDATE journal
               SET refed_at = statement_timestamp()
               FROM held
               WHERE journal.job_id = held.job_id
               RETURNING journal.user_id, journal.job_id, journal.shard, seq, envelope_version, body
           )
           SELECT user_id, job_id, shard, seq, envelope_version, body
           FROM refed
           ORDER BY shard, seq"#,
        &shards,
        &seqs,
        &added_at as &[Option<DateTime<Utc>>],
        f64::from(older_than_ms),
        f64::from(REFEED_AGAIN_MS),
        max_jobs,
    );
    let rows = rows.fetch_all(session.connection().await?).await?;
    Ok(rows.into_iter().map(Journaled::try_from).collect::<Result<_, _>>()?)
}
