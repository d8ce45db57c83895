//! The settings that durability hangs on, and whether Redis takes writes.

use std::collections::HashMap;

use redis::{FromRedisValue, from_redis_value};
use satchel_model::ids::ShardCount;

use super::batch::Batch;
use super::connection::Connection;
use super::keys;
use crate::{Durability, QueueError, Setting};

/// See [`crate::Queue::durability`]. A refusal to tell is no error but [`Setting::Unknown`].
///
/// `CONFIG GET` tells all of it, and Redis's passwords as well: a user of Satchel's own has no business there. `INFO` tells
/// all but `appendfsync`.
pub(super) async fn ask(connection: &Connection, may_ask_config: bool) -> Result<Durability, QueueError> {
    let [appendonly, appendfsync, policy] = Durability::WANTED;
    if may_ask_config {
        let told = Durability {
            appendonly: config(connection, "appendonly", appendonly).await?,
            appendfsync: config(connection, "appendfsync", appendfsync).await?,
            maxmemory_policy: config(connection, "maxmemory-policy", policy).await?,
        };
        if told.appendonly != Setting::Unknown {
            return Ok(told);
        }
    }
    let has_log = info(connection, "persistence", "aof_enabled", "1").await?;
    Ok(Durability {
        appendonly: match has_log {
            Setting::Known(enabled) => Setting::Known(if enabled == "1" { "yes" } else { "no" }.to_owned()),
            other => other,
        },
        appendfsync: Setting::Unknown,
        maxmemory_policy: info(connection, "memory", "maxmemory_policy", policy).await?,
    })
}

/// A setting by `CONFIG GET`.
async fn config(connection: &Connection, name: &str, wanted: &str) -> Result<Setting, QueueError> {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg(name);
    worst(connection, command, wanted, |mut values: HashMap<String, String>| values.remove(name)).await
}

/// A field of a section of `INFO`.
async fn info(connection: &Connection, section: &str, field: &str, wanted: &str) -> Result<Setting, QueueError> {
    let mut command = redis::cmd("INFO");
    command.arg(section);
    let read = |text: String| {
        text.lines().find_map(|line| Some(line.strip_prefix(field)?.strip_prefix(':')?.trim().to_owned()))
    };
    worst(connection, command, wanted, read).await
}

/// What one of the servers answers where it is not as wanted, else any.
async fn worst<T: FromRedisValue>(
    connection: &Connection,
    command: redis::Cmd,
    wanted: &str,
    read: impl Fn(T) -> Option<String>,
) -> Result<Setting, QueueError> {
    let answers = match connection.run_everywhere(&command).await {
        Ok(answers) => answers,
        Err(QueueError::Protocol(_)) => return Ok(Setting::Unknown),
        Err(error) => return Err(error),
    };
    let settings = answers.into_iter().map(|answer| {
        let value = from_redis_value(answer).ok().and_then(&read);
        value.map_or(Setting::Unknown, Setting::Known)
    });
    let is_well = |setting: &Setting| matches!(setting, Setting::Known(value) if value == wanted);
    Ok(settings.min_by_key(is_well).unwrap_or(Setting::Unknown))
}

/// What is written is gone after so long, in milliseconds.
const PROBE_TTL_MS: u64 = 1;

/// See [`crate::Queue::try_write`]. Of a cluster, each master that has a shard is asked.
pub(super) async fn try_write(connection: &Connection, shards: ShardCount) -> Result<(), QueueError> {
    let asked = if connection.is_cluster() { usize::MAX } else { 1 };
    let mut batch = Batch::default();
    for shard in shards.all().take(asked) {
        let mut command = redis::cmd("SET");
        command.arg(keys::probe(shard)).arg(1).arg("PX").arg(PROBE_TTL_MS);
        batch.add(shard, command);
    }
    connection.run_all(batch).await
}
