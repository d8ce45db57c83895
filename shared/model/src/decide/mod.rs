//! What a job comes to, worked out on top of what its user has: no clock, no randomness, no I/O.

mod draft;
mod plan;
mod rewards;

pub use draft::{Draft, GrantOutcome, Granted, SkipReason, Skipped, insufficient};
pub use plan::{Change, Condition, Pieces, Plan, Rejection, RejectionCode, Used};
pub use rewards::RuleOutcome;
