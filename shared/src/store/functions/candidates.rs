//! Which runs could begin now.

use uuid::Uuid;

use super::claims::{KeyOf, Limits};
use crate::domain::{FunctionId, Shard};
use crate::store::leases::Lease;
use crate::store::{StoreError, Tx, stored};

/// A run that is due.
pub(super) struct Candidate {
    pub(super) run_id: Uuid,
    pub(super) shard: i32,
    /// What limits it besides its function.
    pub(super) key: String,
    /// How many runs with that key go on.
    pub(super) running: i64,
}

/// Runs of a function that are due, the longest due first, locked.
pub(super) async fn find(
    tx: &mut Tx<'_>,
    function_id: &FunctionId,
    limits: &Limits,
    leases: &[Lease],
    free: u32,
) -> Result<Vec<Candidate>, StoreError> {
    match limits.key {
        KeyOf::Target => oldest_of_targets(tx, function_id, limits, leases, free).await,
        KeyOf::Nothing | KeyOf::User => oldest(tx, function_id, limits, leases, free).await,
    }
}

/// More than are free, since keys may be at their limit.
async fn oldest(
    tx: &mut Tx<'_>,
    function_id: &FunctionId,
    limits: &Limits,
    leases: &[Lease],
    free: u32,
) -> Result<Vec<Candidate>, StoreError> {
    let shards: Vec<Shard> = leases.iter().map(|lease| lease.shard).collect();
    let spare = if limits.key == KeyOf::Nothing { 1 } else { 4 };
    let rows = sqlx::query!(
        r#"SELECT run_id, shard, key AS "key!",
                  CASE WHEN key = '' THEN 0 ELSE (
                      SELECT count(*)
                      FROM function_runs AS other
                      WHERE other.status = 'running' AND other.function_id = $1 AND other.user_id = key
                  ) END AS "running!"
           FROM (
               SELECT run_id, shard, due_at, CASE WHEN $3 THEN user_id ELSE '' END AS key
               FROM function_runs
               WHERE function_id = $1 AND status IN ('queued', 'retrying', 'sleeping')
                 AND due_at <= clock_timestamp() AND shard = ANY($2)
                 AND (NOT $4 OR NOT EXISTS (
                     SELECT FROM function_runs AS earlier
                     WHERE earlier.finished_at IS NULL AND earlier.function_id = $1
                       AND earlier.user_id = function_runs.user_id AND earlier.target = function_runs.target
                       AND earlier.event_seq < function_runs.event_seq
                       AND earlier.replay_id IS NOT DISTINCT FROM function_runs.replay_id
                 ))
               ORDER BY due_at, event_seq
               LIMIT $5
               FOR NO KEY UPDATE SKIP LOCKED
           ) AS candidate
           ORDER BY due_at"#,
        function_id.as_str(),
        &stored::shard_numbers(&shards),
        limits.key == KeyOf::User,
        limits.ordered,
        i64::from(free.saturating_mul(spare)),
    )
    .fetch_all(&mut *tx.0)
    .await?;
    let candidate = rows.into_iter().map(|row| Candidate {
        run_id: row.run_id,
        shard: row.shard,
        key: row.key,
        running: row.running,
    });
    Ok(candidate.collect())
}

/// Of each target as many as it may begin: there are few targets, and one whose runs do not get on, however many
/// they are, must not stand before the others. A target that is at its limit has none.
async fn oldest_of_targets(
    tx: &mut Tx<'_>,
    function_id: &FunctionId,
    limits: &Limits,
    leases: &[Lease],
    free: u32,
) -> Result<Vec<Candidate>, StoreError> {
    let shards: Vec<Shard> = leases.iter().map(|lease| lease.shard).collect();
    let rows = sqlx::query!(
        r#"WITH RECURSIVE targets AS (
               -- From one to the next by the index, however many runs each has.
               SELECT (
                   SELECT target
                   FROM function_runs
                   WHERE function_id = $1 AND target <> '' AND status IN ('queued', 'retrying', 'sleeping')
                   ORDER BY target
                   LIMIT 1
               ) AS target
               UNION ALL
               SELECT (
                   SELECT function_runs.target
                   FROM function_runs
                   WHERE function_id = $1 AND function_runs.target <> '' AND function_runs.target > targets.target
                     AND status IN ('queued', 'retrying', 'sleeping')
                   ORDER BY function_runs.target
                   LIMIT 1
               )
               FROM targets
               WHERE targets.target IS NOT NULL
           )
           SELECT candidate.run_id AS "run_id!", candidate.shard AS "shard!", targets.target AS "key!",
                  going.running AS "running!"
           FROM targets
           CROSS JOIN LATERAL (
               SELECT count(*) AS running
               FROM function_runs
               WHERE status = 'running' AND function_id = $1 AND target = targets.target
           ) AS going
           CROSS JOIN LATERAL (
               SELECT run_id, shard, due_at
               FROM function_runs
               WHERE function_id = $1 AND target = targets.target AND target <> ''
                 AND status IN ('queued', 'retrying', 'sleeping')
                 AND due_at <= clock_timestamp() AND shard = ANY($2)
                 AND (NOT $3 OR NOT EXISTS (
                     SELECT FROM function_runs AS earlier
                     WHERE earlier.finished_at IS NULL AND earlier.function_id = $1
                       AND earlier.user_id = function_runs.user_id AND earlier.target = function_runs.target
                       AND earlier.event_seq < function_runs.event_seq
                       AND earlier.replay_id IS NOT DISTINCT FROM function_runs.replay_id
                 ))
               ORDER BY due_at
               LIMIT GREATEST($4 - going.running, 0)
               FOR NO KEY UPDATE SKIP LOCKED
           ) AS candidate
           ORDER BY candidate.due_at
           LIMIT $5"#,
        function_id.as_str(),
        &stored::shard_numbers(&shards),
        limits.ordered,
        i64::from(limits.key_concurrency),
        i64::from(free),
    )
    .fetch_all(&mut *tx.0)
    .await?;
    let candidate = rows.into_iter().map(|row| Candidate {
        run_id: row.run_id,
        shard: row.shard,
        key: row.key,
        running: row.running,
    });
    Ok(candidate.collect())
}
