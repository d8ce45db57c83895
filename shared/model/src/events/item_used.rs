//! `item/used`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EventType, JobFacts};
use crate::operations::{Operation, UseItem, UseResult};

/// A `use_item` was applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ItemUsed {
    /// The job.
    #[serde(flatten)]
    pub job: JobFacts,
    /// What it took and gave.
    pub result: UseResult,
}

impl EventType for ItemUsed {
    const NAME: &'static str = "item/used";
    const VERSION: i16 = 1;
    const OF: Option<&'static str> = Some(UseItem::NAME);
    const WHEN: &'static str = "A user used an item.";
}
