//! `item/rewarded`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EventType, JobFacts};
use crate::operations::{Operation, RewardInventoryItem, RewardResult};

/// A `reward_inventory_item` was applied, or a rule gave something for an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemRewarded {
    /// The job.
    #[serde(flatten)]
    pub job: JobFacts,
    /// What brought it about, when that is not the job itself: `rule:planet-star`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The name of the event for which a rule gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// What the user got, and what it did not.
    pub result: RewardResult,
}

impl EventType for ItemRewarded {
    const NAME: &'static str = "item/rewarded";
    const VERSION: i16 = 1;
    const OF: Option<&'static str> = Some(RewardInventoryItem::NAME);
    const WHEN: &'static str = "A reward was applied; where all of it was skipped, `granted` is empty. Or a rule gave \
        something for an event: then `cause` names the rule.";
}
