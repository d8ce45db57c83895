//! Whether this Redis keeps what it has answered for.

use std::collections::HashMap;

use serde::Serialize;

use super::{Queue, QueueError};

/// What Redis says of its own settings (Redis manual, "Redis persistence" and "Key eviction").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Durability {
    /// `appendonly`: must be `yes`.
    pub appendonly: Setting,
    /// `appendfsync`: must be `always`.
    pub appendfsync: Setting,
    /// `maxmemory-policy`: must be `noeviction`.
    pub maxmemory_policy: Setting,
}

/// A setting as far as it could be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Setting {
    /// Its value.
    Known(String),
    /// Redis does not show it: `CONFIG` is forbidden, as managed services do.
    Unknown,
}

impl From<Setting> for String {
    fn from(setting: Setting) -> Self {
        match setting {
            Setting::Known(value) => value,
            Setting::Unknown => "unknown".into(),
        }
    }
}

impl Durability {
    /// What is wrong or could not be checked, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let settings = [
            ("appendonly", &self.appendonly, "yes", "accepted jobs are lost when Redis stops"),
            ("appendfsync", &self.appendfsync, "always", "accepted jobs can be lost when Redis is killed"),
            ("maxmemory-policy", &self.maxmemory_policy, "noeviction", "accepted jobs can be evicted"),
        ];
        settings
            .into_iter()
            .filter_map(|(name, setting, wanted, otherwise)| match setting {
                Setting::Known(value) if value == wanted => None,
                Setting::Known(value) => Some(format!("Redis has {name} {value}, not {wanted}: {otherwise}")),
                Setting::Unknown => Some(format!("Redis does not show {name}: make sure that it is {wanted}")),
            })
            .collect()
    }
}

impl Queue {
    /// Asks Redis for the settings that durability hangs on.
    ///
    /// # Errors
    /// If Redis is away. A refusal to tell is no error but [`Setting::Unknown`].
    pub async fn durability(&self) -> Result<Durability, QueueError> {
        let mut settings = HashMap::new();
        for name in ["appendonly", "appendfsync", "maxmemory-policy"] {
            let answer =
                self.connection()?.run::<HashMap<String, String>>(redis::cmd("CONFIG").arg("GET").arg(name)).await;
            match answer {
                Ok(values) => settings.extend(values),
                Err(QueueError::Protocol(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let mut setting = |name| settings.remove(name).map_or(Setting::Unknown, Setting::Known);
        Ok(Durability {
            appendonly: setting("appendonly"),
            appendfsync: setting("appendfsync"),
            maxmemory_policy: setting("maxmemory-policy"),
        })
    }
}
