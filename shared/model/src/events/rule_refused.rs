//! `rule/refused`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EventType;
use crate::ids::RuleId;
use crate::rejection::Rejection;

/// A rule gave nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuleRefused {
    /// The rule.
    pub rule: RuleId,
    /// The name of the event for which it should have given.
    pub event: String,
    /// Why it could not.
    pub refusal: Rejection,
}

impl EventType for RuleRefused {
    const NAME: &'static str = "rule/refused";
    const VERSION: i16 = 1;
    const WHEN: &'static str = "A reward rule could not give for an event, which happened all the same.";
}
