//! A game server gives a player items.

use serde::Serialize;

use super::JobType;
use crate::domain::catalogue::Catalogue;
use crate::domain::{Draft, Granted, Holdings, ItemId, ItemQuantity, Plan, Rejection, Scope, Skipped, SubmitRule, raw};
use crate::json::Fields;

/// Most entries in `items`.
const MAX_ITEMS: usize = 50;

/// Gives items, each by its grant policy: what the user may not have twice is skipped, the rest is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RewardInventoryItem {
    /// 1 to 50 items, none twice.
    pub items: Vec<ItemQuantity>,
}

#[derive(Serialize)]
struct RewardResult {
    granted: Vec<Granted>,
    skipped: Vec<Skipped>,
}

impl JobType for RewardInventoryItem {
    const TYPE: &'static str = "reward_inventory_item";
    const SUBMIT: SubmitRule = SubmitRule { scope: Scope::RewardsWrite, players: false };

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        fields.required("items", ItemQuantity::read_list(MAX_ITEMS)).map(|items| Self { items })
    }

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
        Ok(Plan { changes: draft.into_changes(), used: None, result: raw(&result) })
    }
}
