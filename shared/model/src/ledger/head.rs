//! Where a user's ledger ends.

use chrono::{DateTime, Utc};

use super::ChainHash;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many changes there are: the last one's number.
    pub version: i64,
    /// The last record's hash.
    pub hash: ChainHash,
    /// The decision time of the last job that changed something; `None` before the first.
    pub decided_at: Option<DateTime<Utc>>,
    /// Whether the user has a parked job: none of the queue's may be decided before it.
    pub is_blocked: bool,
}

impl Head {
    /// Of a user without records.
    pub const GENESIS: Self = Self { version: 0, hash: ChainHash::GENESIS, decided_at: None, is_blocked: false };
}

impl Default for Head {
    fn default() -> Self {
        Self::GENESIS
    }
}
