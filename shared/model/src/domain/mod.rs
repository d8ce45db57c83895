//! The pure core: no clock, no randomness, no I/O.

mod actor;
pub mod catalogue;
mod draft;
mod emission;
mod event_name;
mod function;
mod holdings;
mod ids;
mod item_quantity;
mod ledger;
mod once;
mod permission;
mod plan;
mod priority;
mod quantity;
mod rewards;
mod shard;
mod webhook_secret;

pub use actor::{Actor, Role, Scope, Scopes};
pub use draft::{Draft, GrantOutcome, Granted, SkipReason, Skipped, insufficient};
pub use emission::Emission;
pub use event_name::{EventName, InvalidEventName};
pub use function::{FunctionId, InvalidFunctionId, RunId};
pub use holdings::{Holding, Holdings, MAX_BALANCE};
pub use ids::{EventId, IdempotencyKey, InvalidId, ItemId, JobId, Reason, RequestId, RuleId, UserId};
pub use item_quantity::ItemQuantity;
pub use ledger::{ChainFault, ChainHash, ChainVerifier, LedgerEntry};
pub use once::OnceKey;
pub use permission::{Denied, SubmitRule};
pub use plan::raw;
pub use plan::{Change, Condition, Pieces, Plan, Rejection, RejectionCode, Used};
pub use priority::Priority;
pub use quantity::{InvalidQuantity, Quantity};
pub use rewards::RuleOutcome;
pub use shard::{Shard, ShardCount};
pub use webhook_secret::{InvalidWebhookSecret, WebhookSecret};

/// How long a job may wait, in days, from when it is due until it is decided; an older one is rejected as `expired`.
/// Decided jobs are kept longer ([`MIN_JOB_RETENTION_DAYS`]), so that a copy of an old queue entry never finds its job
/// forgotten. Measured from the API's clock to the database's.
pub const MAX_JOB_AGE_DAYS: u32 = 30;

/// How far ahead a job's `notBefore` may be, in days.
pub const MAX_DELAY_DAYS: u32 = 90;

/// How long a decided job is kept at least, in days: so long its idempotency key is remembered.
pub const MIN_JOB_RETENTION_DAYS: u32 = 90;

/// How long a rejected job without an idempotency key is kept at least, in days: longer than a copy of its queue entry
/// counts ([`MAX_JOB_AGE_DAYS`]).
pub const MIN_REJECTED_RETENTION_DAYS: u32 = 35;
