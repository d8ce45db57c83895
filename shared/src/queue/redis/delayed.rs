//! Delayed jobs that are due.

use redis::from_redis_value;

use super::batch::Batch;
use super::client::Connection;
use super::{keys, scripts};
use crate::domain::Shard;
use crate::queue::QueueError;

/// How often one call goes back to a shard that has more; the next call goes on.
const MAX_ROUNDS: usize = 16;

/// See [`crate::queue::Queue::promote`]. A shard that refuses does not keep the others from theirs.
pub(super) async fn promote(connection: &Connection, shards: &[Shard], max_jobs: usize) -> Result<usize, QueueError> {
    let mut moved = 0;
    let mut open: Vec<(Shard, usize)> =
        with_delayed(connection, shards).await?.into_iter().map(|shard| (shard, max_jobs)).collect();
    let mut refused = None;
    for _ in 0..MAX_ROUNDS {
        open.retain(|(_, left)| *left > 0);
        if open.is_empty() {
            break;
        }
        let mut batch = Batch::default();
        for (shard, left) in &open {
            let mut command = scripts::run(scripts::PROMOTE, *shard);
            command.arg(*left);
            batch.add(*shard, command);
        }
        let answers = connection.run_each(batch).await?;
        for ((_, left), answer) in open.iter_mut().zip(answers) {
            let answer = answer
                .and_then(|value| Ok(from_redis_value::<(usize, usize)>(value).map_err(redis::RedisError::from)?));
            let (count, has_more) = answer.unwrap_or_else(|error| {
                refused = Some(error);
                (0, 0)
            });
            moved += count;
            *left = if has_more > 0 { left.saturating_sub(count) } else { 0 };
        }
    }
    refused.map_or(Ok(moved), Err)
}

/// Those that have delayed jobs, due or not: few have, and this is asked all the time, so the script is only sent to these.
async fn with_delayed(connection: &Connection, shards: &[Shard]) -> Result<Vec<Shard>, QueueError> {
    let mut batch = Batch::with_capacity(shards.len());
    for shard in shards {
        let mut command = redis::cmd("EXISTS");
        command.arg(keys::delayed(*shard));
        batch.add(*shard, command);
    }
    let answers = connection.run_each(batch).await?;
    // Where there was no answer, the script's will say why.
    let has_none = |answer: Result<redis::Value, QueueError>| matches!(answer, Ok(redis::Value::Int(0)));
    Ok(shards.iter().zip(answers).filter_map(|(shard, answer)| (!has_none(answer)).then_some(*shard)).collect())
}
