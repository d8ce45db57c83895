//! Whether the queue keeps what it has answered for.

use serde::Serialize;

/// What Redis says of its own settings (Redis manual, "Redis persistence" and "Key eviction"); of a cluster, the worst
/// that any of its masters says.
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
    /// There is no such setting: the queue is in this process's memory and forgotten with it.
    InMemory,
}

impl From<Setting> for String {
    fn from(setting: Setting) -> Self {
        match setting {
            Setting::Known(value) => value,
            Setting::Unknown => "unknown".into(),
            Setting::InMemory => "in-memory".into(),
        }
    }
}

impl Durability {
    /// What `appendonly`, `appendfsync` and `maxmemory-policy` must be.
    pub(super) const WANTED: [&str; 3] = ["yes", "always", "noeviction"];

    /// What a queue in memory can say.
    pub(super) fn in_memory() -> Self {
        Self { appendonly: Setting::InMemory, appendfsync: Setting::InMemory, maxmemory_policy: Setting::InMemory }
    }

    /// What is wrong, a sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        if self.appendonly == Setting::InMemory {
            return vec!["the queue is in memory: accepted jobs are forgotten when this process ends".into()];
        }
        let [appendonly, appendfsync, policy] = Self::WANTED;
        let settings = [
            ("appendonly", &self.appendonly, appendonly, "accepted jobs are lost when Redis stops"),
            ("appendfsync", &self.appendfsync, appendfsync, "accepted jobs can be lost when Redis is killed"),
            ("maxmemory-policy", &self.maxmemory_policy, policy, "accepted jobs can be evicted"),
        ];
        settings
            .into_iter()
            .filter_map(|(name, setting, wanted, otherwise)| match setting {
                Setting::Known(value) if value != wanted => {
                    Some(format!("Redis has {name} {value}, not {wanted}: {otherwise}"))
                }
                Setting::Known(_) | Setting::Unknown | Setting::InMemory => None,
            })
            .collect()
    }

    /// What could not be checked, as one sentence: to be said once, since nobody can mend it here.
    #[must_use]
    pub fn unseen(&self) -> Option<String> {
        let settings = [&self.appendonly, &self.appendfsync, &self.maxmemory_policy];
        let names = ["appendonly", "appendfsync", "maxmemory-policy"].into_iter().zip(Self::WANTED);
        let unseen: Vec<String> = settings
            .into_iter()
            .zip(names)
            .filter(|(setting, _)| **setting == Setting::Unknown)
            .map(|(_, (name, wanted))| format!("{name} {wanted}"))
            .collect();
        let told = || format!("Redis does not show all of its settings: make sure that it has {}", unseen.join(", "));
        (!unseen.is_empty()).then(told)
    }
}
