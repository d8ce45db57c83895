//! What operators see of the queue and do about it (HTTP.md "Operate"). What they do is recorded with who, when and
//! what, in the transaction that does it.

pub(crate) mod actions;
pub(crate) mod clean;
pub(crate) mod failed;
pub(crate) mod failed_job;
pub(crate) mod failed_jobs;
mod filter;
pub(crate) mod pause;
pub(crate) mod snapshot;
pub(crate) mod stats;

/// The queue's name: there is one.
const NAME: &str = "jobs";
