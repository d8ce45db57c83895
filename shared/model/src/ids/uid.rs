//! Users' numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Shard;

/// The number by which Satchel knows a user: what grows with the user's history names it and never the person, so that one row ties
/// the two together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(i64);

/// Where a user's rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey {
    /// The user's shard.
    pub shard: Shard,
    /// The user's number.
    pub uid: Uid,
}

impl Uid {
    /// The user of this number.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
