//! Whether jobs that were queued before still wait.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use redis::{RedisError, from_redis_value};
use satchel_model::ids::ShardCount;

use super::batch::Batch;
use super::connection::Connection;
use super::scripts;
use crate::{QueueError, Sought};

/// How far the clocks of API and Redis may be apart for an entry to be found, in milliseconds.
const MAX_CLOCKS_APART_MS: i64 = 100;
/// How long after a job was accepted its entry may have been added, in milliseconds.
const MAX_ADDED_AFTER_MS: i64 = 10_000;
/// The most entries of a stream that one look compares; what stands behind them is not found.
const MAX_COMPARED_ENTRIES: usize = 2_000;

/// See [`crate::Queue::waits`].
pub(super) async fn waits(
    connection: &Connection,
    shards: ShardCount,
    jobs: &[Sought],
) -> Result<Vec<bool>, QueueError> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let mut by_shard: BTreeMap<_, Vec<(usize, &Sought)>> = BTreeMap::new();
    for (place, job) in jobs.iter().enumerate() {
        by_shard.entry(shards.of_user(&job.user_id)).or_default().push((place, job));
    }
    let mut batch = Batch::default();
    for (shard, jobs) in &by_shard {
        let times = || jobs.iter().map(|(_, job)| job.queued_at);
        let first = times().min().unwrap_or_default() - TimeDelta::milliseconds(MAX_CLOCKS_APART_MS);
        let last = times().max().unwrap_or_default() + TimeDelta::milliseconds(MAX_ADDED_AFTER_MS);
        let mut command = scripts::run(scripts::WAITS, *shard);
        command.arg(first.timestamp_millis().max(0)).arg(last.timestamp_millis().max(0)).arg(MAX_COMPARED_ENTRIES);
        for (_, job) in jobs {
            command.arg(job.job_id.to_string());
        }
        batch.add(*shard, command);
    }
    let mut waits = vec![false; jobs.len()];
    for (jobs, answer) in by_shard.values().zip(connection.run_each(batch).await?) {
        let found: Vec<u8> = from_redis_value(answer?).map_err(RedisError::from)?;
        for ((place, _), found) in jobs.iter().zip(found) {
            if let Some(waits) = waits.get_mut(*place) {
                *waits = found == 1;
            }
        }
    }
    Ok(waits)
}
