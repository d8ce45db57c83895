//! Where a user's ledger ends.

use super::ChainHash;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// How many entries there are.
    pub version: i64,
    /// The last one's hash.
    pub hash: ChainHash,
    /// Whether the user has a parked job: none of the queue's may be decided before it.
    pub is_blocked: bool,
}

impl Head {
    /// Of a user without entries.
    pub const GENESIS: Self = Self { version: 0, hash: ChainHash::GENESIS, is_blocked: false };
}

impl Default for Head {
    fn default() -> Self {
        Self::GENESIS
    }
}
