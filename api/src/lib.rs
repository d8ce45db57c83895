//! The HTTP service of Satchel: authenticates, validates, signs and enqueues jobs; answers queries.
//!
//! A submission reads top-down: `routes` → `auth` → `submit` → `satchel_model::jobs` →
//! `intake` → `satchel_queue`. An audit query: `routes` → `auth` → `history` →
//! `satchel_store::ledger`. The service changes no inventory; only workers do.

mod admission;
mod answer_headers;
mod auth;
mod background;
mod body;
mod body_budget;
mod catalogue;
mod clock;
mod config;
mod connections;
mod cors;
mod current_catalogue;
mod cursor;
mod deadline;
mod document;
mod etag;
mod events;
mod functions;
mod gather;
mod gzip;
mod health;
mod history;
mod intake;
mod inventory;
mod job_status;
mod journaling;
mod lookup;
mod metrics;
mod offload;
mod operating;
mod outage_log;
mod pace;
mod parameters;
mod pipelining;
mod prefer;
mod problem;
mod queues;
mod request_id;
mod routes;
mod serve;
mod state;
mod submit;
mod undecided;
mod waiting;
mod webhooks;
mod withdraw;

pub use config::{Config, InvalidJournalMode, JournalMode};
pub use cors::{CorsOrigins, InvalidOrigin};
pub use metrics::install as install_metrics;
pub use serve::{listen, serve};
