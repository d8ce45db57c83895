//! All SQL. Postgres is the source of truth; nothing outside of this module knows its tables.
//!
//! Calls read noun-verb. A `&mut Tx` argument says "inside the caller's transaction".

pub mod api_keys;
pub mod audit;
pub mod catalogue;
pub mod inventory;
pub mod jobs;
pub mod leases;
pub mod ledger;
mod migrate;
mod pool;
pub mod quarantine;
mod session;
mod stored;
pub mod users;

pub use migrate::{MigrateError, migrate};
pub use pool::{Pool, PoolConfig, StoreError};
pub use session::{Session, Tx};
