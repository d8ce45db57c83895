//! Which runs could begin now.

use chrono::{DateTime, Utc};
use satchel_model::ids::{FunctionId, Shard};
use uuid::Uuid;

use super::limits::{KeyOf, Limits};
use crate::db::stored;
use crate::shards::leases::Lease;
use crate::{StoreError, Tx};

/// More than may begin are looked at, so many times, where some of them may have the same key.
const SPARE: u32 = 4;

/// A run that is due.
pub(super) struct Candidate {
    pub(super) run_id: Uuid,
    pub(super) shard: i32,
    /// What limits it besides its function.
    pub(super) key: String,
    /// How many runs with that key go on.
    pub(super) running: i64,
}

/// Of which function, and for whom, candidates are looked for.
pub(super) struct Search<'s> {
    pub(super) function_id: &'s FunctionId,
    pub(super) limits: &'s Limits,
    pub(super) leases: &'s [Lease],
    pub(super) now: DateTime<Utc>,
    /// How many may begin.
    pub(super) free: u32,
}

/// Whatever is due, in the order of an index: any other would be a sort of all that wait. (Macros, since a query is checked
/// as a text, and the order is a part of it.)
macro_rules! any {
    ($tx:ident, $search:ident, $order:tt) => {{
        let candidates = sqlx::query_as!(
            Candidate,
            r#"SELECT run_id, shard, '' AS "key!", 0::bigint AS "running!"
               FROM function_runs
               WHERE function_id = $1 AND status IN ('queued', 'retrying', 'sleeping')
                 AND due_at <= $4 AND shard = ANY($2)
               ORDER BY due_at "#
                + $order
                + r#"
               LIMIT $3
               FOR NO KEY UPDATE SKIP LOCKED"#,
            $search.function_id.as_str(),
            &$search.shards(),
            i64::from($search.free),
            $search.now,
        )
        .fetch_all(&mut *$tx.0)
        .await?;
        Ok(candidates)
    }};
}

/// Not those of users who are at their limits.
macro_rules! of_users {
    ($tx:ident, $search:ident, $order:tt) => {{
        let candidates = sqlx::query_as!(
            Candidate,
            r#"WITH going AS MATERIALIZED (
                   SELECT user_id, count(*) AS runs
                   FROM function_runs
                   WHERE status = 'running' AND function_id = $1
                   GROUP BY user_id
               )
               SELECT run_id, shard, user_id AS key,
                      COALESCE((SELECT runs FROM going WHERE going.user_id = function_runs.user_id), 0) AS "running!"
               FROM function_runs
               WHERE function_id = $1 AND status IN ('queued', 'retrying', 'sleeping')
                 AND due_at <= $6 AND shard = ANY($2)
                 AND user_id NOT IN (SELECT going.user_id FROM going WHERE runs >= $3)
                 AND NOT EXISTS (
                     SELECT FROM function_paces
                     WHERE function_paces.function_id = $1 AND key = function_runs.user_id AND spent_until > $4
                 )
               ORDER BY due_at "#
                + $order
                + r#"
               LIMIT $5
               FOR NO KEY UPDATE OF function_runs SKIP LOCKED"#,
            $search.function_id.as_str(),
            &$search.shards(),
            i64::from($search.limits.key_concurrency),
            $search.spent_from(),
            i64::from($search.free.saturating_mul(SPARE)),
            $search.now,
        )
        .fetch_all(&mut *$tx.0)
        .await?;
        Ok(candidates)
    }};
}

/// Of each target as many as it may begin, the first of each before the second of any: there are few targets, and one
/// whose runs do not get on, however many they are, must not stand before the others. Of a webhook endpoint that is left alone
/// none, and one where that time has just passed; of one that an operator has disabled none.
macro_rules! of_targets {
    ($tx:ident, $search:ident, $order:tt) => {{
        let candidates = sqlx::query_as!(
            Candidate,
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
               LEFT JOIN webhook_endpoints ON endpoint_id::text = targets.target
               CROSS JOIN LATERAL (
                   SELECT run_id, shard, due_at
                   FROM function_runs
                   WHERE function_id = $1 AND target = targets.target AND target <> ''
                     AND status IN ('queued', 'retrying', 'sleeping')
                     AND due_at <= $6 AND shard = ANY($2)
                   ORDER BY due_at "#
                + $order
                + r#"
                   LIMIT GREATEST(CASE WHEN open_until IS NULL THEN $3::bigint ELSE 1 END - going.running, 0)
                   FOR NO KEY UPDATE SKIP LOCKED
               ) AS candidate
               WHERE NOT EXISTS (
                       SELECT FROM function_paces
                       WHERE function_paces.function_id = $1 AND key = targets.target AND spent_until > $4
                   )
                 AND (is_enabled OR is_enabled IS NULL OR disabled_reason IS NOT NULL)
                 AND (open_until IS NULL OR open_until <= clock_timestamp())
               ORDER BY row_number() OVER (PARTITION BY targets.target ORDER BY candidate.due_at "#
                + $order
                + r#"),
                        candidate.due_at "#
                + $order
                + r#"
               LIMIT $5"#,
            $search.function_id.as_str(),
            &$search.shards(),
            i64::from($search.limits.key_concurrency),
            $search.spent_from(),
            i64::from($search.free),
            $search.now,
        )
        .fetch_all(&mut *$tx.0)
        .await?;
        Ok(candidates)
    }};
}

/// Runs that are due, in the order in which they may begin, locked; none whose key is at its limit already.
pub(super) async fn find(tx: &mut Tx<'_>, search: &Search<'_>) -> Result<Vec<Candidate>, StoreError> {
    match (search.limits.key, search.limits.newest_first) {
        (KeyOf::Nothing, false) => any!(tx, search, "ASC"),
        (KeyOf::Nothing, true) => any!(tx, search, "DESC"),
        (KeyOf::User, false) => of_users!(tx, search, "ASC"),
        (KeyOf::User, true) => of_users!(tx, search, "DESC"),
        (KeyOf::Target, false) => of_targets!(tx, search, "ASC"),
        (KeyOf::Target, true) => of_targets!(tx, search, "DESC"),
    }
}

impl Search<'_> {
    fn shards(&self) -> Vec<i32> {
        let shards: Vec<Shard> = self.leases.iter().map(|lease| lease.shard).collect();
        stored::shard_numbers(&shards)
    }

    /// A key whose rate is spent until later than this has none left.
    fn spent_from(&self) -> Option<DateTime<Utc>> {
        self.limits.key_rate.map(|rate| self.now + rate.rest())
    }
}
