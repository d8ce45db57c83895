//! The lanes, in which batches follow one another, and the scheduler that divides the shards among them.

mod batch_limit;
mod due_parked;
mod lane;
mod scheduler;

pub(crate) use lane::Lane;
pub(crate) use scheduler::schedule;
