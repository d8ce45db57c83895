//! The store on a real Postgres: what the schema, the grants and the locks do together with the SQL.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod database;
mod failed;
mod housekeeping;
mod job;
mod journal;
mod parked;
mod rules;
mod stats;
