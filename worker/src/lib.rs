//! The worker: where state changes.
//!
//! A job's journey reads top-down: [`run`] → `ownership` (which shards) → `lane` (read; `rota`: which
//! lane) → `decode` (verify, or quarantine)
//! → `pipeline` (one batch; `isolate` where it fails) → `apply` (one transaction) → `decide` (pure). Beside the lanes,
//! `feeder` brings delayed and forgotten jobs into the streams, `functions` do what happens after, and `housekeeping`
//! forgets what is old; `watermarks` finds out whether the queue has forgotten jobs. What waits in Postgres is trusted no more than what comes from the queue (`verify`).

mod active;
#[cfg(test)]
mod allocation_tests;
mod apply;
mod batch_limit;
mod config;
mod decode;
mod feeder;
pub mod functions;
mod holdings_cache;
mod housekeeping;
mod isolate;
mod journal_order;
mod lane;
mod load;
mod ownership;
mod pipeline;
mod retries;
mod retry;
mod rota;
mod run;
mod stalls;
mod verify;
mod watermarks;
mod write;

pub use config::Config;
pub use run::run;
