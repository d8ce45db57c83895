//! What the end-to-end tests stand on: real Postgres, Redis and Satchel processes, and an HTTP client that keeps a
//! journal of what was accepted.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "a test harness reports every trouble by panicking, so that the test fails there and then, and its values are there to be looked at or not"
)]

mod caller;
mod certificates;
pub mod clock;
mod inbox;
mod janitor;
pub mod job;
mod journal;
pub mod load;
mod login;
pub mod operate;
mod other_api;
pub mod players;
pub mod poison;
mod port;
mod postgres;
mod process;
mod psql;
mod quick_login;
mod rabbitmq;
pub mod raw_http;
pub mod receiver;
mod redis;
mod refused_start;
mod satchel;
pub mod service_gaps;
mod sessions;
mod setup;
pub mod soak;
pub mod statements;
mod stranger;
pub mod streams;
pub mod token;
pub mod wait;
pub mod way;
pub mod wire;
mod workers;

pub use caller::{Answer, Caller};
pub use certificates::Certificates;
pub use inbox::{Call, Inbox};
pub use janitor::scratch_dir;
pub use journal::{Accepted, Journal};
pub use login::{Psql, PsqlError};
pub use other_api::OtherApi;
pub use postgres::{Database, Server};
pub use process::{Process, binary};
pub use psql::Session;
pub use rabbitmq::{Message, TestRabbit};
pub use redis::{RedisCommands, RedisKind, TestRedis};
pub use refused_start::refused_start;
pub use satchel::{ENVELOPE_KEY, LEDGER_KEY, Satchel};
pub use setup::Setup;
