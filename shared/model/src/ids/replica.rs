//! What identifies a running API process.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One running API process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReplicaId(Uuid);

impl ReplicaId {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::now_v7())
    }

    /// As Postgres keeps it.
    #[must_use]
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl std::fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.as_simple().fmt(f)
    }
}
