//! The worker: where state changes.
//!
//! A job's journey reads top-down: [`run`] → `ownership` (which shards) → `lane` (read, decode, apply, finish) →
//! `decode` (verify, set aside) → `apply` (one transaction) → `decide` (pure) → `retry`.

mod apply;
mod config;
mod decide;
mod decode;
mod lane;
mod ownership;
mod retry;
mod run;

pub use config::Config;
pub use run::run;
