//! What came of a part of a job, as its result and events show it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{ItemId, RuleId};
use crate::rejection::{Rejection, RejectionCode};

/// What came of a grant. Where the item's policy holds back a part, both fields are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantOutcome {
    /// What the user got.
    pub granted: Option<Granted>,
    /// What the user did not get, and why.
    pub skipped: Option<Skipped>,
}

/// Pieces that a user got, and has after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Granted {
    /// The item.
    pub item_id: ItemId,
    /// How many pieces.
    pub quantity: i64,
    /// How many it has then.
    pub balance: i64,
}

/// Pieces that a user did not get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    /// The item.
    pub item_id: ItemId,
    /// How many, where only a part was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    /// Why.
    pub reason: SkipReason,
}

/// Why a grant was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The user has it (`unique`) or once had it (`once`).
    AlreadyGranted,
    /// The stack is full (`overflow: clamp`).
    StackLimit,
}

/// What came of one rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuleOutcome {
    /// The rule.
    pub rule: RuleId,
    /// What the user got.
    pub granted: Vec<Granted>,
    /// What it did not get, and why.
    pub skipped: Vec<Skipped>,
    /// Why it got nothing: the event happened all the same, and an event of its own tells of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Rejection>,
}

impl RuleOutcome {
    /// What the ledger and events name as the cause of what the rule gave.
    #[must_use]
    pub fn cause(&self) -> String {
        format!("rule:{}", self.rule)
    }
}

impl Skipped {
    /// That a use is refused which takes something and would give nothing, this first of all.
    #[must_use]
    pub fn refusal(&self, used: &ItemId, has: i64) -> Rejection {
        let item_id = &self.item_id;
        let (code, why) = match self.reason {
            SkipReason::AlreadyGranted => (RejectionCode::AlreadyGranted, "was granted already"),
            SkipReason::StackLimit => (RejectionCode::StackLimit, "is at its limit"),
        };
        let message = format!("using {used} would give nothing: {item_id} {why}, {has} held");
        Rejection::of_item(code, item_id, has, message)
    }
}
