//! Which worker serves which shard.
//!
//! A worker is alive until its row in `workers` expires, by the database's clock; one that is to live for longer than it
//! has asked for is not (the view `live_workers`): that clock was set back since, and nobody is waited for until it has
//! caught up. A shard belongs to its
//! `owner` as long as that worker is alive. Taking a shard raises its epoch; each batch transaction holds the
//! epochs it was read under with `FOR SHARE`, so that a worker that lost a shard cannot commit to it, and a
//! shard cannot be taken while its owner is in the middle of a commit.

use chrono::{DateTime, Utc};
use satchel_model::ids::Shard;
use uuid::Uuid;

use crate::db::stored;
use crate::{Pool, Session, StoreError, Tx};

/// A leased shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The shard.
    pub shard: Shard,
    /// Its epoch when it was taken.
    pub epoch: i64,
}

/// Says that `worker_id` is alive for the next `ttl_ms` milliseconds, and forgets workers that are long gone, and those that
/// claim to live for longer than any may: these are returned.
///
/// # Errors
/// If Postgres is away.
pub async fn renew(session: &mut Session, worker_id: Uuid, ttl_ms: u32) -> Result<Vec<Uuid>, StoreError> {
    let ghosts = sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM workers
               WHERE worker_id = ANY(ARRAY(
                   SELECT worker_id
                   FROM workers
                   WHERE worker_id <> $1 AND (
                       expires_at < clock_timestamp() - interval '1 hour'
                       OR expires_at > clock_timestamp() + interval '15 minutes'
                   )
                   FOR UPDATE SKIP LOCKED
               ))
               RETURNING worker_id, expires_at
           ), renewed AS (
               INSERT INTO workers (worker_id, ttl_ms, expires_at)
               VALUES ($1, $2::integer, clock_timestamp() + $2::integer * interval '1 millisecond')
               ON CONFLICT (worker_id) DO UPDATE
               SET ttl_ms = EXCLUDED.ttl_ms,
                   expires_at = EXCLUDED.expires_at,
                   alive_since = CASE WHEN workers.expires_at < clock_timestamp() THEN clock_timestamp()
                       ELSE LEAST(workers.alive_since, clock_timestamp()) END
           )
           SELECT worker_id AS "worker_id!" FROM gone WHERE expires_at > clock_timestamp()"#,
        worker_id,
        i32::try_from(ttl_ms).unwrap_or(i32::MAX),
    );
    Ok(ghosts.fetch_all(session.connection().await?).await?)
}

/// The workers that are alive, in order of their ids.
///
/// # Errors
/// If Postgres is away.
pub async fn live_workers(session: &mut Session) -> Result<Vec<Uuid>, StoreError> {
    let ids = sqlx::query_scalar!(r#"SELECT worker_id AS "worker_id!" FROM live_workers ORDER BY worker_id"#);
    Ok(ids.fetch_all(session.connection().await?).await?)
}

/// Takes those of the shards that no live worker owns. (`clock_timestamp()` makes the sub-select one that Postgres
/// runs again when it had to wait for a row; with a stable clock a shard that was just taken could be taken twice.) One that is locked by a commit in flight is passed
/// over: the next round finds it. (An epoch that is as high as it may be is followed by 1: whoever had that is long gone.)
///
/// # Errors
/// If Postgres is away.
pub async fn acquire(session: &mut Session, worker_id: Uuid, shards: &[Shard]) -> Result<Vec<Lease>, StoreError> {
    let rows = sqlx::query!(
        "WITH free AS (
             SELECT shard
             FROM shard_leases
             WHERE shard = ANY($2)
               AND NOT EXISTS (
                   -- As in live_workers: of a view, the sub-select would become a join.
                   SELECT FROM workers
                   WHERE worker_id = shard_leases.owner
                     AND expires_at > clock_timestamp()
                     AND expires_at <= clock_timestamp() + (ttl_ms + 1000) * interval '1 millisecond'
               )
             ORDER BY shard
             FOR UPDATE SKIP LOCKED
         )
         UPDATE shard_leases
         SET owner = $1, epoch = epoch % 4611686018427387904 + 1
         FROM free
         WHERE shard_leases.shard = free.shard
         RETURNING shard_leases.shard, epoch",
        worker_id,
        &stored::shard_numbers(shards),
    )
    .fetch_all(session.connection().await?)
    .await?;
    Ok(rows.into_iter().filter_map(|row| lease(row.shard, row.epoch)).collect())
}

/// How many shards no live worker serves.
///
/// # Errors
/// If Postgres is away.
pub async fn without_owner(pool: &Pool) -> Result<i64, StoreError> {
    let shards = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!"
           FROM shard_leases
           WHERE NOT EXISTS (SELECT FROM live_workers WHERE worker_id = shard_leases.owner)"#
    );
    Ok(shards.fetch_one(&pool.0).await?)
}

/// What `worker_id` owns, alive or not.
///
/// # Errors
/// If Postgres is away.
pub async fn owned(session: &mut Session, worker_id: Uuid) -> Result<Vec<Lease>, StoreError> {
    let rows = sqlx::query!("SELECT shard, epoch FROM shard_leases WHERE owner = $1 ORDER BY shard", worker_id)
        .fetch_all(session.connection().await?)
        .await?;
    Ok(rows.into_iter().filter_map(|row| lease(row.shard, row.epoch)).collect())
}

/// Gives shards up, so that others need not wait for them to expire; but for those that a batch, or somebody else, has
/// locked now. How many were given up.
///
/// # Errors
/// If Postgres is away.
pub async fn release(session: &mut Session, worker_id: Uuid, shards: &[Shard]) -> Result<usize, StoreError> {
    let done = sqlx::query!(
        "WITH given_up AS (
             SELECT shard
             FROM shard_leases
             WHERE owner = $1 AND shard = ANY($2)
             ORDER BY shard
             FOR UPDATE SKIP LOCKED
         )
         UPDATE shard_leases
         SET owner = NULL
         FROM given_up
         WHERE shard_leases.shard = given_up.shard",
        worker_id,
        &stored::shard_numbers(shards),
    )
    .execute(session.connection().await?)
    .await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

/// Takes the worker out of the live ones; whatever it owned is free.
///
/// # Errors
/// If Postgres is away.
pub async fn leave(session: &mut Session, worker_id: Uuid) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM workers WHERE worker_id = $1", worker_id).execute(session.connection().await?).await?;
    Ok(())
}

/// What stays as it is until the transaction ends, and when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The catalogue in force; 0 if none was ever published.
    pub catalogue_version: i64,
    /// Whether an operator has paused the queue.
    pub is_paused: bool,
    /// The database's clock, to the microsecond.
    pub now: DateTime<Utc>,
}

/// What has become of leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fence {
    /// They hold, and none can be taken before the transaction ends; these are the rules.
    Leased(Rules),
    /// One is another worker's.
    Lost,
    /// They hold, but another session keeps the rows of these locked.
    Locked(Vec<Shard>),
}

/// Holds these leases, at least one, until the transaction ends. Reads the rules in the same statement: each one costs a
/// batch a round trip. It waits for nobody: whoever locks some leases holds up no other shard.
///
/// # Errors
/// If Postgres is away.
pub async fn fence(tx: &mut Tx<'_>, worker_id: Uuid, leases: &[Lease]) -> Result<Fence, StoreError> {
    let shards: Vec<_> = leases.iter().map(|lease| stored::shard_number(lease.shard)).collect();
    let epochs: Vec<_> = leases.iter().map(|lease| lease.epoch).collect();
    let kept = sqlx::query!(
        r#"SELECT clock_timestamp() AS "now!", shard AS "shard!",
                  (SELECT COALESCE(max(version), 0) FROM catalogue_versions) AS "catalogue_version!",
                  (SELECT is_paused FROM queue_state WHERE singleton) AS "is_paused!"
           FROM UNNEST($2::integer[], $3::bigint[]) AS claimed (shard, epoch)
           JOIN shard_leases USING (shard, epoch)
           WHERE owner = $1
           ORDER BY shard_leases.shard
           FOR SHARE OF shard_leases SKIP LOCKED"#,
        worker_id,
        &shards,
        &epochs,
    )
    .fetch_all(&mut *tx.0)
    .await?;
    let rules = kept.last().map(|row| Rules {
        catalogue_version: row.catalogue_version,
        is_paused: row.is_paused,
        now: row.now,
    });
    match rules {
        Some(rules) if kept.len() == leases.len() => Ok(Fence::Leased(rules)),
        _ => {
            let kept: Vec<i32> = kept.into_iter().map(|row| row.shard).collect();
            why_not(tx, worker_id, leases, &kept).await
        }
    }
}

/// Why only these of the leases could be held.
async fn why_not(tx: &mut Tx<'_>, worker_id: Uuid, leases: &[Lease], kept: &[i32]) -> Result<Fence, StoreError> {
    let owned =
        sqlx::query!("SELECT shard, epoch FROM shard_leases WHERE owner = $1", worker_id).fetch_all(&mut *tx.0).await?;
    let is_owned = |lease: &Lease| {
        owned.iter().any(|row| row.shard == stored::shard_number(lease.shard) && row.epoch == lease.epoch)
    };
    if !leases.iter().all(is_owned) {
        return Ok(Fence::Lost);
    }
    let is_locked = |shard: &Shard| !kept.contains(&stored::shard_number(*shard));
    Ok(Fence::Locked(leases.iter().map(|lease| lease.shard).filter(is_locked).collect()))
}

fn lease(shard: i32, epoch: i64) -> Option<Lease> {
    Some(Lease { shard: Shard::new(u16::try_from(shard).ok()?), epoch })
}
