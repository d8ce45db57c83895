//! The settings that durability hangs on.

use std::collections::HashMap;

use redis::from_redis_value;

use super::client::Connection;
use crate::queue::{Durability, QueueError, Setting};

/// See [`crate::queue::Queue::durability`]. A refusal to tell is no error but [`Setting::Unknown`].
pub(super) async fn ask(connection: &Connection) -> Result<Durability, QueueError> {
    let [appendonly, appendfsync, policy] = Durability::WANTED;
    Ok(Durability {
        appendonly: worst(connection, "appendonly", appendonly).await?,
        appendfsync: worst(connection, "appendfsync", appendfsync).await?,
        maxmemory_policy: worst(connection, "maxmemory-policy", policy).await?,
    })
}

/// The setting of one of the servers where it is not as wanted, else of any.
async fn worst(connection: &Connection, name: &str, wanted: &str) -> Result<Setting, QueueError> {
    let mut command = redis::cmd("CONFIG");
    command.arg("GET").arg(name);
    let answers = match connection.run_everywhere(&command).await {
        Ok(answers) => answers,
        Err(QueueError::Protocol(_)) => return Ok(Setting::Unknown),
        Err(error) => return Err(error),
    };
    let settings = answers.into_iter().map(|answer| {
        let values: Option<HashMap<String, String>> = from_redis_value(answer).ok();
        values.and_then(|mut values| values.remove(name)).map_or(Setting::Unknown, Setting::Known)
    });
    let is_well = |setting: &Setting| matches!(setting, Setting::Known(value) if value == wanted);
    Ok(settings.min_by_key(is_well).unwrap_or(Setting::Unknown))
}
