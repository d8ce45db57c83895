//! Background tasks of a program: [`Task`]s, each a round that is done again and again, supervised together ([`TaskSet`]); and
//! [`Backoff`], the waits between attempts.

mod backoff;
mod set;
mod task;

pub use backoff::{Backoff, Retries};
pub use set::{Panicked, TaskSet};
pub use task::{Task, drive};
