//! What can be asked of Satchel: one file per operation, and one line for it in the list below.
//!
//! A job is read the same way at both ends: by the API from the client's JSON, and again by the worker
//! from the queue, which it does not trust.

mod envelope;
mod job;
mod limits;
#[cfg(test)]
mod model_tests;
mod operation;
mod priority;
mod registry;
#[cfg(test)]
mod schema_tests;
mod submission;

use satchel_forms::{Described, Faults, Fields, Members, ObjectSchema, read_text};
use schemars::SchemaGenerator;
use serde::Serialize;

use crate::access::Access;
use crate::catalogue::Catalogue;
use crate::decide::{Draft, Verdict};
use crate::facts::Reads;
use crate::ids::UserId;
use crate::json::raw;

pub use envelope::Envelope;
pub use job::{Job, PayloadHash};
pub use limits::{MAX_DELAY_DAYS, MAX_JOB_AGE_DAYS, MIN_JOB_RETENTION_DAYS, MIN_REJECTED_RETENTION_DAYS};
pub use operation::{Context, Entrance, Operation};
pub use priority::Priority;
pub use submission::Submission;

registry::operations! {
    reward_inventory_item: RewardInventoryItem,
    send_event: SendEvent,
    use_item: UseItem,
    #[cfg(test)] give: Give,
}
