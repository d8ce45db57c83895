//! By what it is known whether a queue has what it had: a time for each shard that only rises. A queue that comes up with an
//! earlier one, or with none, has forgotten what came since.

use satchel_model::ids::Shard;

/// What a shard's watermark is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raise {
    /// The shard.
    pub shard: Shard,
    /// What it must be at least, in milliseconds since 1970; otherwise it stays as it is. `None`: anything will do.
    pub at_least_ms: Option<i64>,
    /// What it is to be. It does not fall.
    pub to_ms: i64,
}

/// What was found of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// The shard.
    pub shard: Shard,
    /// What its watermark was before; `None` if there was none.
    pub found_ms: Option<i64>,
    /// The age of its oldest entry that is not delayed, by the queue's clock, in milliseconds.
    pub oldest_waiting_ms: Option<u64>,
    /// Whether there are delayed jobs: when these were accepted is not told.
    pub has_delayed: bool,
}
