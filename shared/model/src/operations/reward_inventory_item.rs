//! A game server gives a player items.

use satchel_forms::Form;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, Operation};
use crate::access::{Access, Scope};
use crate::catalogue::ItemQuantity;
use crate::decide::{Draft, Granted, Skipped};
use crate::facts::Reads;
use crate::rejection::Rejection;

/// Most entries in `items`.
const MAX_ITEMS: usize = 50;

/// Gives items, each by its grant policy: what the user may not have twice is skipped, the rest is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Form)]
pub struct RewardInventoryItem {
    /// The items, none twice.
    #[form(entries = 1..=MAX_ITEMS, each = ItemQuantity::read_distinct)]
    pub items: Vec<ItemQuantity>,
}

/// What came of a reward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RewardResult {
    /// What the user got.
    pub granted: Vec<Granted>,
    /// What it did not get, and why.
    pub skipped: Vec<Skipped>,
}

impl Operation for RewardInventoryItem {
    const NAME: &'static str = "reward_inventory_item";
    const ACCESS: Access = Access { scope: Scope::RewardsWrite, players: false };
    type Outcome = RewardResult;

    fn reads<'a>(&'a self, context: &Context<'a, '_>, reads: &mut Reads<'a>) {
        self.items.iter().for_each(|item| reads.holding(context.user_id, &item.item_id));
    }

    fn decide(&self, draft: &mut Draft<'_>) -> Result<RewardResult, Rejection> {
        let mut result = RewardResult { granted: Vec::new(), skipped: Vec::new() };
        for item in &self.items {
            let outcome = draft.user.grant(item, None)?;
            result.granted.extend(outcome.granted);
            result.skipped.extend(outcome.skipped);
        }
        Ok(result)
    }
}
