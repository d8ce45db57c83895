//! What workers report of their shards, and what the queue's statistics are made of. What waits in Redis is not here.

use chrono::{DateTime, Utc};
use satchel_model::ids::Shard;
use uuid::Uuid;

use crate::db::stored;
use crate::{Pool, Session, StoreError};

/// The queue, as Postgres knows it.
#[derive(Debug, Clone)]
pub struct QueueStats {
    /// Every shard, in order.
    pub shards: Vec<ShardStats>,
    /// The workers that are alive, in order of their ids.
    pub workers: Vec<WorkerStats>,
}

/// A shard.
#[derive(Debug, Clone)]
pub struct ShardStats {
    /// The shard.
    pub shard: Shard,
    /// The live worker that serves it.
    pub owner: Option<Uuid>,
    /// Its lease's epoch.
    pub epoch: i64,
    /// Jobs applied, ever.
    pub applied: i64,
    /// Jobs rejected, ever.
    pub rejected: i64,
    /// Jobs in the batch that is being applied, as the worker that serves it reported last; 0 without one.
    pub active: i32,
    /// Jobs decided per second, as its worker measured last; 0 without one.
    pub per_second: f64,
    /// Jobs that wait for an operator.
    pub parked: i64,
    /// Jobs that wait for their next attempt.
    pub retrying: i64,
    /// Jobs that wait for an earlier one of their user.
    pub blocked: i64,
    /// Since when the first of these waits.
    pub oldest_blocked_at: Option<DateTime<Utc>>,
    /// Jobs of the journal that could be decided now.
    pub journaled: i64,
    /// Jobs of the journal that are not due yet.
    pub journaled_delayed: i64,
    /// Since when the first of those waits that could be decided.
    pub oldest_journaled_at: Option<DateTime<Utc>>,
    /// Since when the first undecided job that Postgres has waits: one that is parked, or in the journal and due.
    pub oldest_undecided_at: Option<DateTime<Utc>>,
}

/// A worker that is alive.
#[derive(Debug, Clone)]
pub struct WorkerStats {
    /// The worker.
    pub worker_id: Uuid,
    /// When it started, by the database's clock.
    pub started_at: DateTime<Utc>,
    /// Until when it counts as alive unless it says more.
    pub expires_at: DateTime<Utc>,
}

/// Says how many jobs of each of the worker's shards are in a batch right now. What it says of other shards is not taken.
///
/// # Errors
/// If Postgres is away.
pub async fn report_active(session: &mut Session, worker_id: Uuid, active: &[(Shard, u32)]) -> Result<(), StoreError> {
    let shards: Vec<_> = active.iter().map(|(shard, _)| stored::shard_number(*shard)).collect();
    let jobs: Vec<_> = active.iter().map(|(_, jobs)| i32::try_from(*jobs).unwrap_or(i32::MAX)).collect();
    sqlx::query!(
        "UPDATE shard_activity
         SET active = reported.active, reported_by = $3
         FROM UNNEST($1::integer[], $2::integer[]) AS reported (shard, active)
         JOIN shard_leases USING (shard)
         WHERE shard_activity.shard = reported.shard AND owner = $3
           AND (shard_activity.active <> reported.active OR reported_by IS DISTINCT FROM $3)",
        &shards,
        &jobs,
        worker_id,
    )
    .execute(session.connection().await?)
    .await?;
    Ok(())
}

/// Works out, for each of the worker's shards, how many jobs it decided per second since this was last done.
///
/// # Errors
/// If Postgres is away.
pub async fn sample_rates(session: &mut Session, shards: &[Shard]) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE shard_activity
         SET sampled = applied + rejected,
             sampled_at = statement_timestamp(),
             per_second = COALESCE(
                 (applied + rejected - sampled)
                 / NULLIF(GREATEST(EXTRACT(EPOCH FROM statement_timestamp() - sampled_at), 0), 0)::float8,
                 0)
         FROM shard_counters
         WHERE shard_activity.shard = shard_counters.shard AND shard_counters.shard = ANY($1)",
        &stored::shard_numbers(shards),
    )
    .execute(session.connection().await?)
    .await?;
    Ok(())
}

/// The queue's statistics.
///
/// # Errors
/// If Postgres is away.
pub async fn stats(pool: &Pool) -> Result<QueueStats, StoreError> {
    Ok(QueueStats { shards: shards(pool).await?, workers: workers(pool).await? })
}

async fn shards(pool: &Pool) -> Result<Vec<ShardStats>, StoreError> {
    let rows = sqlx::query!(
        r#"WITH parked AS (
               SELECT shard,
                      count(*) FILTER (WHERE state = 'parked') AS parked,
                      count(*) FILTER (WHERE state = 'retrying') AS retrying,
                      count(*) FILTER (WHERE state = 'blocked') AS blocked,
                      min(added_at) FILTER (WHERE state = 'blocked') AS oldest_blocked_at,
                      min(added_at) AS oldest_parked_at
               FROM parked_jobs
               GROUP BY shard
           ), journaled AS (
               SELECT shard,
                      count(*) FILTER (WHERE COALESCE(not_before <= statement_timestamp(), true)) AS waiting,
                      count(*) FILTER (WHERE not_before > statement_timestamp()) AS delayed,
                      min(GREATEST(accepted_at, not_before))
                          FILTER (WHERE COALESCE(not_before <= statement_timestamp(), true)) AS oldest_at
               FROM journal
               GROUP BY shard
           )
           SELECT shard, live_workers.worker_id AS "owner?", epoch, applied, rejected,
                  CASE WHEN reported_by = live_workers.worker_id THEN active ELSE 0 END AS "active!",
                  CASE WHEN live_workers.worker_id IS NULL THEN 0 ELSE per_second END AS "per_second!",
                  COALESCE(parked, 0) AS "parked!", COALESCE(retrying, 0) AS "retrying!",
                  COALESCE(blocked, 0) AS "blocked!", oldest_blocked_at AS "oldest_blocked_at?",
                  COALESCE(waiting, 0) AS "journaled!", COALESCE(delayed, 0) AS "journaled_delayed!",
                  oldest_at AS "oldest_journaled_at?", LEAST(oldest_parked_at, oldest_at) AS "oldest_undecided_at?"
           FROM shard_leases
           JOIN shard_counters USING (shard)
           JOIN shard_activity USING (shard)
           LEFT JOIN live_workers ON worker_id = owner
           LEFT JOIN parked USING (shard)
           LEFT JOIN journaled USING (shard)
           ORDER BY shard"#
    )
    .fetch_all(&pool.0)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(ShardStats {
                shard: stored::shard(row.shard)?,
                owner: row.owner,
                epoch: row.epoch,
                applied: row.applied,
                rejected: row.rejected,
                active: row.active,
                per_second: row.per_second,
                parked: row.parked,
                retrying: row.retrying,
                blocked: row.blocked,
                oldest_blocked_at: row.oldest_blocked_at,
                journaled: row.journaled,
                journaled_delayed: row.journaled_delayed,
                oldest_journaled_at: row.oldest_journaled_at,
                oldest_undecided_at: row.oldest_undecided_at,
            })
        })
        .collect()
}

async fn workers(pool: &Pool) -> Result<Vec<WorkerStats>, StoreError> {
    let workers = sqlx::query_as!(
        WorkerStats,
        r#"SELECT worker_id AS "worker_id!", started_at AS "started_at!", expires_at AS "expires_at!"
           FROM live_workers
           ORDER BY worker_id"#
    );
    Ok(workers.fetch_all(&pool.0).await?)
}
