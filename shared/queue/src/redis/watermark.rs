//! What each shard has had at least: see [`crate::Watermark`].

use redis::{Value, from_redis_value};
use satchel_model::ids::Shard;

use super::batch::Batch;
use super::connection::Connection;
use super::{keys, scripts};
use crate::{QueueError, Raise, Watermark};

/// See [`crate::Queue::raise_watermarks`].
pub(super) async fn raise(connection: &Connection, raises: &[Raise]) -> Result<Vec<Watermark>, QueueError> {
    if raises.is_empty() {
        return Ok(Vec::new());
    }
    let mut batch = Batch::with_capacity(raises.len());
    for raise in raises {
        let mut command = scripts::run_with(scripts::WATERMARK, raise.shard, &keys::watermark(raise.shard));
        command.arg(raise.at_least_ms.unwrap_or(-1)).arg(raise.to_ms);
        batch.add(raise.shard, command);
    }
    let answers = connection.run_each(batch).await?;
    let found = raises.iter().zip(answers).filter_map(|(raise, answer)| watermark(raise.shard, answer.ok()?));
    Ok(found.collect())
}

fn watermark(shard: Shard, answer: Value) -> Option<Watermark> {
    let (found_ms, age_ms, delayed): (i64, i64, i64) = from_redis_value(answer).ok()?;
    Some(Watermark {
        shard,
        found_ms: (found_ms >= 0).then_some(found_ms),
        oldest_waiting_ms: u64::try_from(age_ms).ok(),
        has_delayed: delayed > 0,
    })
}
