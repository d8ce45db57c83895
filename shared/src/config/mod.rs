//! Configuration from the environment: every fault is found at start, and all are told at once.

mod env;
mod logging;
mod retention;
mod switch;

pub use env::{ConfigFaults, Env};
pub use logging::{LogFormat, init_logging};
pub use retention::Retention;
pub use switch::{InvalidSwitch, Switch};
