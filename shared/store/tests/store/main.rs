//! The store on a real Postgres: what the schema, the grants and the locks do together with the SQL.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod at_once;
mod checked;
mod database;
mod distributed;
mod events;
mod failed;
mod floods;
mod functions;
mod history;
mod housekeeping;
mod inventory;
mod job;
mod journal;
mod network;
mod parked;
mod records;
mod replicas;
mod roles;
mod rules;
mod standing_still;
mod stats;
mod users;
mod watermarks;
mod webhooks;
