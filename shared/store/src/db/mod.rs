//! Connections, transactions on them, the schema, and who logs in.

mod blame;
pub mod clock;
mod connections;
mod durability;
mod error;
mod login;
mod migrate;
mod pool;
mod pool_config;
mod program;
pub mod readiness;
mod roles;
mod scram;
pub(crate) mod session;
pub(crate) mod stored;
pub mod stuck;
mod vigil;

pub use blame::Blame;
pub use error::{MigrateError, OtherSchema, StoreError};
pub use migrate::migrate;
pub use pool::Pool;
pub use pool_config::PoolConfig;
pub use program::{Program, RolePasswords};
pub use session::{Session, Tx};
pub use vigil::DEADLINE_MS;
