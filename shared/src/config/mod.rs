//! Configuration from the environment: every fault is found at start, and all are told at once.

mod env;
mod logging;
mod retention;

pub use env::{ConfigFaults, Env};
pub use logging::{LogFormat, init_logging};
pub use retention::Retention;
