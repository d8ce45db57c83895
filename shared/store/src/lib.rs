//! All SQL. Postgres is the source of truth; nothing outside of this crate knows its tables.
//!
//! Calls read noun-verb. A `&mut Tx` argument says "inside the caller's transaction".

pub mod actions;
mod batch;
mod db;
pub mod facts;
pub mod functions;
pub mod journal;
mod operate;
pub mod parked;
mod reads;
mod shards;
pub mod waiting;
pub mod webhooks;

pub use batch::{at_once, progress, rules, users};
pub use db::{
    Blame, DEADLINE_MS, MigrateError, OtherSchema, Pool, PoolConfig, Program, RolePasswords, Session, StoreError, Tx,
};
pub use db::{clock, migrate, readiness, stuck};
pub use operate::{Retention, api_keys, audit, catalogue, housekeeping, queue_state, rekey, stats, withdrawals};
pub use parked::{failed, quarantine};
pub use reads::{events, inventory, jobs, ledger};
pub use shards::{leases, replicas, watermarks};

/// Has Cargo expand the macros anew when their metadata is to go elsewhere: scripts/sqlx-metadata.sh.
const _: Option<&str> = option_env!("SQLX_OFFLINE_DIR");
