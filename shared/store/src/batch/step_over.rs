//! Events that somebody else added ahead of their shards' counters.

use satchel_model::ids::Shard;

use crate::db::stored;
use crate::{Session, StoreError};

/// How far ahead of the counter an event may be that is stepped over, in numbers: batches have fewer events.
const STEP_OVER: i64 = 100_000;

/// Moves the counters of these shards on over events that somebody else added ahead of them, since no batch could add its
/// own: those shards, each with its counter. One that a batch is moving is left for another time. What is farther ahead than
/// [`STEP_OVER`] is in nobody's way.
///
/// # Errors
/// If Postgres is away.
pub async fn step_over(session: &mut Session, shards: &[Shard]) -> Result<Vec<(Shard, i64)>, StoreError> {
    let rows = sqlx::query!(
        "WITH behind AS (
             SELECT shard
             FROM shard_counters
             WHERE shard = ANY($1) AND EXISTS (
                 SELECT FROM events
                 WHERE events.shard = shard_counters.shard AND seq > shard_counters.events
                   AND seq <= shard_counters.events + $2
             )
             ORDER BY shard
             FOR NO KEY UPDATE SKIP LOCKED
         )
         UPDATE shard_counters
         SET events = (
             SELECT GREATEST(max(seq), shard_counters.events)
             FROM events
             WHERE events.shard = shard_counters.shard AND seq <= shard_counters.events + $2
         )
         FROM behind
         WHERE shard_counters.shard = behind.shard
         RETURNING shard_counters.shard, shard_counters.events",
        &stored::shard_numbers(shards),
        STEP_OVER,
    );
    let rows = rows.fetch_all(session.connection().await?).await?;
    rows.into_iter().map(|row| Ok((stored::shard(row.shard)?, row.events))).collect()
}
