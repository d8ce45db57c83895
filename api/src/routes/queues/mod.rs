//! What operators see of the queue and do about it (HTTP.md "Operate"). What they do is recorded with who, when and
//! what, in the transaction that does it.

pub(super) mod actions;
pub(super) mod clean;
pub(super) mod failed;
pub(super) mod failed_job;
pub(super) mod failed_jobs;
mod filter;
pub(super) mod pause;
pub(super) mod snapshot;
pub(super) mod stats;

use crate::auth::Access;

/// The queue's name: there is one.
const NAME: &str = "jobs";

/// Who sees and manages the queue.
const QUEUE: Access = Access::Operators("see and manage the queue");
