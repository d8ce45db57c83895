//! All SQL. Postgres is the source of truth; nothing outside of this crate knows its tables.
//!
//! Calls read noun-verb. A `&mut Tx` argument says "inside the caller's transaction".

pub mod actions;
pub mod api_keys;
pub mod audit;
mod blame;
pub mod catalogue;
pub mod clock;
mod connections;
pub mod decisions;
mod durability;
mod error;
pub mod events;
pub mod facts;
pub mod failed;
pub mod functions;
pub mod housekeeping;
pub mod inventory;
pub mod jobs;
pub mod journal;
pub mod leases;
pub mod ledger;
mod login;
mod migrate;
pub mod parked;
mod pool;
mod pool_config;
mod program;
pub mod progress;
pub mod quarantine;
pub mod queue_state;
pub mod readiness;
pub mod replicas;
mod retention;
mod roles;
pub mod rules;
mod scram;
mod session;
pub mod stats;
mod stored;
pub mod stuck;
pub mod users;
mod vigil;
pub mod waiting;
pub mod watermarks;
pub mod webhooks;
pub mod withdrawals;

pub use blame::Blame;
pub use error::{MigrateError, StoreError};
pub use migrate::migrate;
pub use pool::Pool;
pub use pool_config::PoolConfig;
pub use program::{Program, RolePasswords};
pub use retention::Retention;
pub use session::{Session, Tx};
pub use vigil::Vigil;
