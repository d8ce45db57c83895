//! Which accepted jobs the queue has forgotten: what the journal has from before the queue's first entries.

use std::collections::HashMap;

use satchel_model::ids::{JobId, Shard};

use super::{Journaled, Row};
use crate::db::stored;
use crate::{Session, StoreError};

/// How long a job is left alone that was put into the queue again, in milliseconds.
const REFEED_AGAIN_MS: u32 = 30_000;
/// The same of a delayed job: a queue that has it takes it for the same.
const REFEED_DELAYED_AGAIN_MS: u32 = 5_000;

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
    /// The place in the journal of what its streams begin with: jobs without delay before it are missing there.
    pub seq: i64,
}

/// Jobs of these shards that should have been decided `older_than_ms` milliseconds ago, and were not put into the queue
/// again lately ([`REFEED_AGAIN_MS`], [`REFEED_DELAYED_AGAIN_MS`]): those without delay that would stand before what the
/// streams begin with, and the delayed ones, in order; at most `max_jobs` of each kind and shard. They count as put into
/// the queue now.
///
/// # Errors
/// If Postgres is away.
pub async fn forgotten(
    session: &mut Session,
    beginnings: &[Beginning],
    older_than_ms: u32,
    max_jobs: i64,
) -> Result<Vec<Journaled>, StoreError> {
    let shards: Vec<_> = beginnings.iter().map(|beginning| stored::shard_number(beginning.shard)).collect();
    let seqs: Vec<_> = beginnings.iter().map(|beginning| beginning.seq).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"WITH late AS (
               SELECT late.job_id
               FROM UNNEST($1::integer[], $2::bigint[]) AS wanted (shard, seq)
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
                      AND not_before < statement_timestamp() - $4 * interval '1 millisecond'
                      AND (refed_at IS NULL OR refed_at < statement_timestamp() - $3 * interval '1 millisecond')
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
               RETURNING journal.user_id, journal.job_id, journal.shard, seq, envelope_version, body, mac, not_before
           )
           SELECT user_id, job_id, shard, seq, envelope_version, body, mac
           FROM refed
           ORDER BY shard, not_before NULLS FIRST, seq"#,
        &shards,
        &seqs,
        f64::from(REFEED_DELAYED_AGAIN_MS),
        f64::from(older_than_ms),
        f64::from(REFEED_AGAIN_MS),
        max_jobs,
    );
    let rows = rows.fetch_all(session.connection().await?).await?;
    Ok(rows.into_iter().map(Journaled::from).collect())
}
