//! What a batch comes to, as it is written.

use chrono::{DateTime, Utc};
use satchel_model::fold::HoldingChange;
use satchel_model::ids::{Shard, UserKey};
use satchel_model::ledger::{Head, Mac, Record};
use satchel_model::records::NewEvent;

/// How many jobs of a shard a batch has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardCounts {
    /// The shard.
    pub shard: Shard,
    /// Jobs applied.
    pub applied: i64,
    /// Jobs rejected.
    pub rejected: i64,
}

/// What a batch leaves otherwise than it was.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Decided jobs, each user's in order.
    pub records: &'a [Record],
    /// Holdings, each pair of user and item at most once.
    pub holdings: &'a [HoldingChange<'a>],
    /// Where the ledgers of the users end, and what proves it. (Whether they are blocked stays as it is.)
    pub heads: &'a [(UserKey, Head, Mac)],
    /// Added to what their shards have decided, each shard's once.
    pub counts: &'a [ShardCounts],
    /// What happened, each shard's events in order.
    pub events: &'a [NewEvent],
    /// When all this changed.
    pub at: DateTime<Utc>,
}

impl Progress<'_> {
    /// Nothing, so far, at this moment.
    #[must_use]
    pub fn none(at: DateTime<Utc>) -> Self {
        Self { records: &[], holdings: &[], heads: &[], counts: &[], events: &[], at }
    }
}
