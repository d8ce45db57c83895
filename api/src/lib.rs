//! The HTTP service of Satchel: authenticates, validates, signs and enqueues jobs; answers queries.
//!
//! A submission reads top-down: `routes` → `auth` → `submit_job` → `satchel_shared::jobs` →
//! `intake` → `satchel_shared::queue`. An audit query: `routes` → `auth` → `history` →
//! `satchel_shared::store::ledger`. The service changes no inventory; only workers do.

mod auth;
mod body;
mod catalogue;
mod config;
mod cursor;
mod deadline;
mod etag;
mod gather;
mod health;
mod history;
mod intake;
mod inventory;
mod job_status;
mod lookup;
mod metrics;
mod outage_log;
mod parameters;
mod prefer;
mod problem;
mod queues;
mod request_id;
mod routes;
mod serve;
mod state;
mod submit_job;
mod waiting;

pub use config::{Config, InvalidJournalMode, JournalMode};
pub use metrics::install as install_metrics;
pub use serve::{listen, serve};
