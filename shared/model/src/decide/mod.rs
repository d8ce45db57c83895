//! What a job comes to, worked out on top of what its parties have. Time and chance are inputs: the same job on the same
//! facts gives the same plan, for ever.

mod chance;
mod draft;
mod outcome;
mod party;
mod plan;
mod rewards;
mod time;

pub use chance::{Chance, ChanceKey};
pub use draft::{Draft, Inputs, Verdict};
pub use outcome::{GrantOutcome, Granted, RuleOutcome, SkipReason, Skipped};
pub use party::Party;
pub use plan::{Change, GameEvent, Happening, PartyPlan, Plan, Used};
pub use rewards::reads_of_rules;
pub use time::decision_time;
