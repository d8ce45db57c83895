//! A type per identifier and per bounded quantity, parsed once at the edge: one that exists is valid.

mod event_name;
mod function;
mod job;
mod place;
mod quantity;
mod replica;
mod shard;
mod text;
mod uid;

pub use event_name::{EventName, InvalidEventName};
pub use function::{FunctionId, InvalidFunctionId, RunId};
pub use job::JobId;
pub use quantity::{InvalidQuantity, Quantity};
pub use replica::ReplicaId;
pub use shard::{Shard, ShardCount};
pub use text::{EventId, IdempotencyKey, InvalidId, ItemId, Reason, RequestId, RuleId, UserId};
pub use uid::{Uid, UserKey};
