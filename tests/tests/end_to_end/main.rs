//! Satchel from the outside: real processes, real stores, real HTTP. One binary, because each links for long.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test reports every trouble by panicking"
)]

mod arrays;
mod authorisation;
mod bad_http;
mod bad_input;
mod catalogue;
mod concurrency;
mod credentials;
mod dev;
mod health;
mod history;
mod inventory;
mod ledger;
mod outcomes;
mod postgres_faults;
mod queue_entries;
mod redis_faults;
mod submit;
mod tools;
mod worker_faults;
