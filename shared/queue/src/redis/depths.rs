//! How much waits, and what comes first.

use redis::{RedisError, Value, from_redis_value};
use satchel_model::ids::Shard;
use satchel_model::operations::Priority;

use super::batch::Batch;
use super::connection::Connection;
use super::{keys, scripts, streams};
use crate::{Depth, Entry, Place, QueueError};

/// See [`crate::Queue::depths`].
pub(super) async fn depths(connection: &Connection, shards: &[Shard]) -> Result<Vec<Depth>, QueueError> {
    if shards.is_empty() {
        return Ok(Vec::new());
    }
    let mut batch = Batch::default();
    for shard in shards {
        batch.add(*shard, scripts::run(scripts::DEPTH, *shard));
    }
    let answers = connection.run_each(batch).await?;
    shards
        .iter()
        .zip(answers)
        .map(|(shard, answer)| {
            let (waiting, delayed, age_ms): (u64, u64, i64) = from_redis_value(answer?).map_err(RedisError::from)?;
            Ok(Depth { shard: *shard, waiting, delayed, oldest_waiting_ms: u64::try_from(age_ms).ok() })
        })
        .collect()
}

/// See [`crate::Queue::heads`].
pub(super) async fn heads(connection: &Connection, shards: &[Shard]) -> Result<Vec<Entry>, QueueError> {
    if shards.is_empty() {
        return Ok(Vec::new());
    }
    let mut batch = Batch::default();
    let streams: Vec<_> =
        shards.iter().flat_map(|shard| [Priority::High, Priority::Normal].map(|class| (*shard, class))).collect();
    for (shard, class) in &streams {
        let mut command = redis::cmd("XRANGE");
        command.arg(keys::stream(*shard, *class)).arg("-").arg("+").arg("COUNT").arg(1);
        batch.add(*shard, command);
    }
    let answers = connection.run_each(batch).await?;
    let mut heads = Vec::new();
    for ((shard, class), answer) in streams.into_iter().zip(answers) {
        if let Value::Array(values) = answer? {
            heads.extend(values.into_iter().filter_map(|value| streams::entry(shard, Place::Stream(class), value)));
        }
    }
    Ok(heads)
}
