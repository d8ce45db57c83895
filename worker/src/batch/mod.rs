//! A batch of jobs, from their delivery to their deletion. It reads top-down: [`run`] (one batch) → `decode` (verify, or
//! quarantine) → `transaction` → `journal_order` (what the queue has forgotten) → `load` (users and facts) → the model's fold →
//! `write`; before that `at_once` tries it in one round trip; and `bisect` where a batch fails.

#[cfg(test)]
mod allocation_tests;
mod at_once;
mod bisect;
mod clock;
mod decode;
mod holdings_cache;
mod journal_order;
mod load;
mod run;
mod transaction;
pub(crate) mod verify;
mod write;

pub(crate) use clock::DatabaseClock;
pub(crate) use decode::{Decoded, Delivery, Source, decode};
pub(crate) use run::{BLOCK_MS, Pipeline, RoundError};
