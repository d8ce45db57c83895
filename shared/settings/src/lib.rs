//! Settings from the environment: every fault is found at start, and all are told at once.

mod env;
mod logging;
mod networks;
pub mod shutdown;
mod span;
mod switch;

pub use env::{ConfigFaults, Env};
pub use logging::{LogFormat, init_logging};
pub use networks::{InvalidNetworks, Networks};
pub use span::{InvalidSpan, Span};
pub use switch::{InvalidSwitch, Switch};
