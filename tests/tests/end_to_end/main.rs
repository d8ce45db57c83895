//! Satchel from the outside: real processes, real stores, real HTTP. One binary, because each links for long.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test reports every trouble by panicking"
)]

mod admission;
mod amqp;
mod arrays;
mod audit;
mod authorisation;
mod bad_events;
mod bad_http;
mod bad_input;
mod bounded_work;
mod catalogue;
mod clocks;
mod concurrency;
mod connections;
mod cors;
mod cost;
mod credentials;
mod delayed;
mod dev;
mod discord;
mod events;
mod exposure;
mod forged_rows;
mod forgetful_redis;
mod functions;
mod harness;
mod health;
mod history;
mod inventory;
mod journal_mode;
mod ledger;
mod ledger_key;
mod operations;
mod outcomes;
mod parking;
mod pipelining;
mod postgres_faults;
mod priority;
mod queue_entries;
mod redis_access;
mod redis_faults;
mod refused_credentials;
mod repetitions;
mod retention;
mod roles;
mod scale;
mod slow_clients;
mod standing_still;
mod submit;
mod tools;
mod webhooks;
mod withdrawing;
mod worker_faults;
mod wrong_setup;
