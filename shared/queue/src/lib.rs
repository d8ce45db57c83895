//! The queue: per shard the jobs that nobody has finished, in order, which one worker at a time serves.
//!
//! A shard holds exactly the entries that nobody has finished: the worker reads from its beginning, commits,
//! and deletes what it has committed. So there is no consumer state to lose or to repair: after any failure, on
//! either side, reading from the beginning again is right, because deciding a job twice changes nothing.
//! (Consumer groups would keep a second record of the same, and write each delivery to the append-only file.)
//!
//! An entry tells all of its job, also to who asks for its status. A job with an idempotency key has a small *pending* record
//! beside it until it is decided, which tells a repeated key.
//!
//! A shard has its jobs of normal and of high priority apart. A high job goes before everything else, unless its
//! player has normal jobs that came before it: these are pulled forward with it (`order.rs`). Delayed jobs lie beside
//! them, by when they are due, until they are finished: a read takes what is due in between, where its time is.

mod durability;
mod entry;
mod error;
mod interface;
mod memory;
mod order;
#[cfg(test)]
mod order_model_tests;
#[cfg(test)]
mod order_tests;
mod outcomes;
mod pending;
mod redis;
mod share;
mod watermark;

use std::sync::Arc;

pub use self::redis::Config as RedisConfig;
pub use durability::{Durability, Setting};
pub use entry::{Entry, EntryRef, Place};
pub use error::QueueError;
pub use interface::{Consumer, Depth, Finished, Queue};
pub use memory::MemoryStore;
pub use outcomes::Outcome;
pub use pending::{Claim, Pending, Sought};
pub use watermark::{Raise, Watermark};

use satchel_model::installation::Installation;
use satchel_settings::Env;

/// Which queue.
#[derive(Debug, Clone)]
pub enum Config {
    /// In Redis, one server or a cluster.
    Redis(RedisConfig),
    /// In this process's memory.
    Memory(MemoryStore),
}

impl Config {
    /// A queue in Redis, reached as the environment says: see [`RedisConfig::from_env`]. `SATCHEL_QUEUE` may say so.
    pub fn from_env(env: &mut Env) -> Self {
        if env.optional::<String>("SATCHEL_QUEUE").is_some_and(|queue| queue != "redis") {
            env.fault("SATCHEL_QUEUE", "must be redis: memory is for `satchel dev`, where all is one process");
        }
        Self::Redis(RedisConfig::from_env(env))
    }
}

/// Opens the queue of an installation. One in Redis connects when it is first needed, and again after each loss; it is
/// away as long as Redis is another installation's.
///
/// # Errors
/// If the configuration cannot be used.
pub fn open(config: &Config, installation: &Installation) -> Result<Arc<dyn Queue>, QueueError> {
    match config {
        Config::Redis(config) => Ok(Arc::new(redis::RedisQueue::new(config, installation)?)),
        Config::Memory(store) => Ok(Arc::new(memory::MemoryQueue::new(store, installation.shards))),
    }
}
