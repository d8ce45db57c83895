//! A game server gives a player items.

use satchel_forms::Form;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::JobType;
use crate::domain::catalogue::Catalogue;
use crate::domain::{Draft, Granted, Holdings, ItemId, ItemQuantity, Plan, Rejection, Scope, Skipped, SubmitRule, raw};
use crate::events::{EventType, ItemRewarded};

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

impl JobType for RewardInventoryItem {
    const TYPE: &'static str = "reward_inventory_item";
    const SUBMIT: SubmitRule = SubmitRule { scope: Scope::RewardsWrite, players: false };

    fn touched<'a>(&'a self, _: &'a Catalogue, touch: &mut dyn FnMut(&'a ItemId)) {
        self.items.iter().for_each(|item| touch(&item.item_id));
    }

    fn plan(&self, holdings: &Holdings, catalogue: &Catalogue) -> Result<Plan, Rejection> {
        let mut draft = Draft::new(holdings, catalogue);
        let mut result = RewardResult { granted: Vec::new(), skipped: Vec::new() };
        for item in &self.items {
            let outcome = draft.grant(item, None)?;
            result.granted.extend(outcome.granted);
            result.skipped.extend(outcome.skipped);
        }
        let (changes, once) = draft.into_parts();
        Ok(Plan { changes, used: None, once, events: vec![ItemRewarded::of_record()], result: raw(&result) })
    }
}
