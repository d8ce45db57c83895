//! What each shard of the queue has had at least, so that one that has forgotten something is known by it.
//!
//! A time in the queue, the watermark, only rises there, and stands here only once it is there. So whoever reads it first here
//! and then there never finds less there, unless the queue went back to what it had been, or to nothing.

use chrono::{DateTime, Utc};
use satchel_model::ids::Shard;

use crate::db::stored;
use crate::{Pool, Session, StoreError};

/// For how long it is told that a queue began anew, in hours.
pub const TOLD_HOURS: i32 = 24;

/// What is known of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The shard.
    pub shard: Shard,
    /// The watermark that the queue has had; `None` before the first.
    pub marked_at: Option<DateTime<Utc>>,
    /// Nothing waited then that was accepted before; `None` if that is not known.
    pub waiting_since: Option<DateTime<Utc>>,
    /// What time it is now.
    pub now: DateTime<Utc>,
}

/// What was found out of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The shard.
    pub shard: Shard,
    /// What was known before: if somebody else has found out something since, this is not taken.
    pub known: Option<DateTime<Utc>>,
    /// The watermark that the queue has now.
    pub marked_at: Option<DateTime<Utc>>,
    /// What it has, or what it has lost.
    pub state: State,
}

/// How a shard was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has what it had, and nothing waits that was accepted before that time; `None` if that is not known.
    Whole(Option<DateTime<Utc>>),
    /// It has forgotten jobs that were accepted since that time; `None`: whatever waited.
    Anew(Option<DateTime<Utc>>),
}

/// What a queue has lost lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// When that was seen, the last time.
    pub at: DateTime<Utc>,
    /// Since when accepted jobs may be gone; `None`: whatever waited.
    pub lost_since: Option<DateTime<Utc>>,
    /// In how many shards.
    pub shards: i64,
}

/// What is known of these shards.
///
/// # Errors
/// If Postgres is away.
pub async fn known(session: &mut Session, shards: &[Shard]) -> Result<Vec<Known>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT shard, marked_at, waiting_since, clock_timestamp() AS "now!"
           FROM queue_watermarks
           WHERE shard = ANY($1)
           ORDER BY shard"#,
        &stored::shard_numbers(shards),
    );
    let rows = rows.fetch_all(session.connection().await?).await?;
    let known = rows.into_iter().map(|row| {
        let (marked_at, waiting_since, now) = (row.marked_at, row.waiting_since, row.now);
        Ok(Known { shard: stored::shard(row.shard)?, marked_at, waiting_since, now })
    });
    known.collect()
}

/// Notes what was found out; those shards of which it is new that they began anew. A loss that is still told of is not hidden by a
/// lesser one that follows.
///
/// # Errors
/// If Postgres is away.
pub async fn note(session: &mut Session, found: &[Found]) -> Result<Vec<Shard>, StoreError> {
    let shards: Vec<Shard> = found.iter().map(|found| found.shard).collect();
    let known: Vec<_> = found.iter().map(|found| found.known).collect();
    let marked_at: Vec<_> = found.iter().map(|found| found.marked_at).collect();
    let is_anew: Vec<_> = found.iter().map(|found| matches!(found.state, State::Anew(_))).collect();
    let since: Vec<_> = found.iter().map(|found| found.state.since()).collect();
    let rows = sqlx::query!(
        r#"WITH found AS (
               SELECT *
               FROM UNNEST($1::integer[], $2::timestamptz[], $3::timestamptz[], $4::boolean[], $5::timestamptz[])
                   AS found (shard, known, marked_at, is_anew, since)
           ), unchanged AS (
               SELECT shard
               FROM queue_watermarks
               JOIN found USING (shard)
               WHERE queue_watermarks.marked_at IS NOT DISTINCT FROM found.known
               ORDER BY shard
               FOR UPDATE OF queue_watermarks
           )
           UPDATE queue_watermarks
           SET marked_at = found.marked_at,
               waiting_since = CASE WHEN NOT is_anew THEN since END,
               began_anew_at = CASE WHEN is_anew THEN clock_timestamp() ELSE began_anew_at END,
               lost_since = CASE
                   WHEN NOT is_anew THEN lost_since
                   WHEN began_anew_at > clock_timestamp() - make_interval(hours => $6)
                       AND (lost_since IS NULL OR lost_since < since) THEN lost_since
                   ELSE since
               END
           FROM found
           JOIN unchanged USING (shard)
           WHERE queue_watermarks.shard = found.shard
           RETURNING queue_watermarks.shard, is_anew AS "is_anew!""#,
        &stored::shard_numbers(&shards),
        &known as &[Option<DateTime<Utc>>],
        &marked_at as &[Option<DateTime<Utc>>],
        &is_anew,
        &since as &[Option<DateTime<Utc>>],
        TOLD_HOURS,
    );
    let rows = rows.fetch_all(session.connection().await?).await?;
    rows.into_iter().filter(|row| row.is_anew).map(|row| Ok(stored::shard(row.shard)?)).collect()
}

/// What the queue has lost lately.
///
/// # Errors
/// If Postgres is away.
pub async fn loss(pool: &Pool) -> Result<Option<Loss>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT max(began_anew_at) AS at, count(*) AS "shards!",
                  CASE WHEN count(*) = count(lost_since) THEN min(lost_since) END AS lost_since
           FROM queue_watermarks
           WHERE began_anew_at > clock_timestamp() - make_interval(hours => $1)"#,
        TOLD_HOURS,
    );
    let row = row.fetch_one(&pool.0).await?;
    Ok(row.at.map(|at| Loss { at, lost_since: row.lost_since, shards: row.shards }))
}

impl State {
    fn since(self) -> Option<DateTime<Utc>> {
        match self {
            Self::Whole(since) | Self::Anew(since) => since,
        }
    }
}
