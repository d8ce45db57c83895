//! The HTTP service of Satchel: authenticates, validates, signs and enqueues jobs; answers queries.
//!
//! A submission reads top-down: `routes` → `auth` → `intake` → `satchel_model::operations` → `satchel_queue`. An audit query:
//! `routes` → `auth` → `satchel_store::ledger`. The service changes no inventory; only workers do.

mod auth;
mod config;
mod http;
mod intake;
pub mod routes;
mod server;

pub use config::Config;
pub use http::cors::{CorsOrigins, InvalidOrigin};
pub use intake::{InvalidJournalMode, JournalMode};
pub use server::metrics::install as install_metrics;
pub use server::{listen, serve};
