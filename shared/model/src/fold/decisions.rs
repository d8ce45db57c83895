//! What a batch comes to.

use std::sync::Arc;

use crate::facts::Writes;
use crate::ids::{JobId, Shard, UserKey};
use crate::ledger::Record;
use crate::records::{JobRecord, NewEvent};

/// What a batch writes and answers.
#[derive(Debug)]
pub struct Decisions {
    /// Jobs decided by this batch.
    pub records: Vec<Arc<JobRecord>>,
    /// The shard of each of them.
    pub shards: Vec<Shard>,
    /// What is kept of them: of each job a record, and one for each other party that it changes; each user's in order.
    pub ledger: Vec<Record>,
    /// What they write of facts beside the holdings, in order.
    pub writes: Vec<PartyWrites>,
    /// What happened, each user's in order.
    pub events: Vec<NewEvent>,
    /// What came of each turn, in their order; shorter than these if the batch ended before one.
    pub dispositions: Vec<Disposition>,
    /// Turns of jobs that were decided before.
    pub redelivered: usize,
    /// Turns under the id of another job.
    pub conflicts: Vec<JobId>,
    /// The job that looked at something nobody had read, though nothing before it in the batch was decided.
    pub unread: Option<JobId>,
}

/// What came of a turn.
#[derive(Debug)]
pub enum Disposition {
    /// It is decided, now or before.
    Recorded(Arc<JobRecord>),
    /// It has to wait behind its user's parked job.
    Blocked,
    /// It is not due yet.
    Early,
}

/// What one job writes of one user's facts.
#[derive(Debug)]
pub struct PartyWrites {
    /// Whose.
    pub user: UserKey,
    /// What.
    pub writes: Writes,
}

impl Decisions {
    pub(super) fn for_batch_of(jobs: usize) -> Self {
        Self {
            records: Vec::with_capacity(jobs),
            shards: Vec::with_capacity(jobs),
            ledger: Vec::with_capacity(jobs),
            writes: Vec::new(),
            events: Vec::with_capacity(jobs),
            dispositions: Vec::with_capacity(jobs),
            redelivered: 0,
            conflicts: Vec::new(),
            unread: None,
        }
    }
}
