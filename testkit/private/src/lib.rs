//! Private Postgres and Redis servers, started from the installed programs in a data directory of their own.
//!
//! `satchel dev` and the end-to-end tests run on them. They never touch the system's services, listen on
//! 127.0.0.1 alone with generated passwords, keep their data between runs, and end with the process that
//! started them, even if that was killed (see [`watched`]). Durability is real: nothing here switches off a sync.
//!
//! All calls block; from async code use `spawn_blocking`. This crate depends on no other crate of Satchel, so
//! that it can prepare a database for them before they compile (`make sqlx-metadata`).

mod account;
mod error;
mod files;
mod port;
mod postgres;
mod process;
mod programs;
mod redis;
mod temporary;
mod watched;

pub use error::PrivateError;
pub use files::{data_dir, write_private};
pub use port::free_port;
pub use postgres::{PostgresOptions, PrivatePostgres, SUPERUSER};
pub use redis::{PrivateCluster, PrivateRedis, RedisOptions};
pub use secrecy::{ExposeSecret, SecretString};
pub use temporary::temporary_parent;
