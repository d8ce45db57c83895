//! The queue: one Redis stream per shard, which one worker at a time serves.
//!
//! A stream holds exactly the entries that nobody has finished: the worker reads from its beginning, commits,
//! and deletes what it has committed. So there is no consumer state to lose or to repair: after any failure, on
//! either side, reading from the beginning again is right, because deciding a job twice changes nothing.
//! (Consumer groups would keep a second record of the same, and write each delivery to the append-only file.)
//!
//! Beside the streams, each accepted job has a small *pending* record until it is decided. It answers status
//! questions about jobs that Postgres does not have yet, and tells a repeated idempotency key.

mod connection;
mod consumer;
mod durability;
mod entry;
mod keys;
mod outcomes;
mod pending;
mod producer;

pub use connection::{Config, Queue, QueueError};
pub use consumer::{Consumer, Finished};
pub use durability::{Durability, Setting};
pub use entry::Entry;
pub use outcomes::{Outcome, Outcomes};
pub use pending::{Claim, Pending};
