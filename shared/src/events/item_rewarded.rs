//! `item/rewarded`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EventType, JobFacts};
use crate::jobs::RewardResult;

/// A `reward_inventory_item` was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemRewarded {
    /// The job.
    #[serde(flatten)]
    pub job: JobFacts,
    /// What the user got, and what it did not.
    pub result: RewardResult,
}

impl EventType for ItemRewarded {
    const NAME: &'static str = "item/rewarded";
    const VERSION: i16 = 1;
    const WHEN: &'static str = "A reward was applied; where all of it was skipped, `granted` is empty.";
}
