//! What operators see and do, and what is done for them in time.

pub mod api_keys;
pub mod audit;
pub mod catalogue;
pub mod housekeeping;
pub mod queue_state;
pub mod rekey;
mod retention;
pub mod stats;
pub mod withdrawals;

pub use retention::Retention;
