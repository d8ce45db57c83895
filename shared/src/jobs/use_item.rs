//! A player uses an item it holds.

use serde::Serialize;

use super::JobType;
use crate::domain::catalogue::{Catalogue, Effect, Use};
use crate::domain::{
    Condition, Draft, Granted, Holdings, ItemId, ItemQuantity, Pieces, Plan, Quantity, Rejection, RejectionCode, Scope,
    Skipped, SubmitRule, Used, insufficient, raw,
};
use crate::json::{Fields, Node};

/// Uses an item `quantity` times: everything that takes and gives is one atomic outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UseItem {
    /// The item.
    pub item_id: ItemId,
    /// How many times.
    pub quantity: Quantity,
}

#[derive(Serialize)]
struct UseResult {
    consumed: Consumed,
    effects: Vec<EffectResult>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Consumed {
    item_id: ItemId,
    quantity: i64,
    balance: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum EffectResult {
    Granted(Granted),
    Skipped(Skipped),
}

impl JobType for UseItem {
    const TYPE: &'static str = "use_item";
    const SUBMIT: SubmitRule = SubmitRule { scope: Scope::ItemsUse, players: true };

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let item_id = fields.required("itemId", Node::read_string(ItemId::parse));
        let quantity = fields.optional("quantity", Node::read_integer(Quantity::parse)).unwrap_or(Quantity::ONE);
        Some(Self { item_id: item_id?, quantity })
    }

    fn touched<'a>(&'a self, catalogue: &'a Catalogue, touch: &mut dyn FnMut(&'a ItemId)) {
        touch(&self.item_id);
        if let Some(definition) = catalogue.get(&self.item_id).and_then(|item| item.use_.as_ref()) {
            definition.requires.iter().for_each(|requirement| touch(&requirement.item_id));
            for Effect::Grant(items) in &definition.effects {
                for item in items {
                    touch(&item.item_id);
                }
            }
        }
    }

    fn plan(&self, holdings: &Holdings, catalogue: &Catalogue) -> Result<Plan, Rejection> {
        let item_id = &self.item_id;
        let item = catalogue.get(item_id).ok_or_else(|| Rejection::unknown_item(item_id))?;
        let mut draft = Draft::new(holdings, catalogue);
        let definition = item.use_.as_ref().ok_or_else(|| {
            let message = format!("the item {item_id} has no use");
            Rejection::of_item(RejectionCode::NotUsable, item_id, draft.holding(item_id).quantity, message)
        })?;
        let consumed = self.consume(definition, &mut draft)?;
        self.meet_requirements(definition, &mut draft)?;
        let effects = self.give(definition, &mut draft)?;
        Ok(Plan {
            changes: draft.into_changes(),
            used: Some(Used { item_id: item_id.clone(), times: self.quantity.get() }),
            result: raw(&UseResult { consumed, effects }),
        })
    }
}

impl UseItem {
    /// Takes the used pieces. An item that a use does not consume must be held all the same.
    fn consume(&self, definition: &Use, draft: &mut Draft<'_>) -> Result<Consumed, Rejection> {
        let item_id = self.item_id.clone();
        // At most 10^18 (two quantities): no overflow in 64 bits.
        let quantity = definition.consume * self.quantity.get();
        let held = draft.holding(&item_id).quantity;
        if held < 1 {
            return Err(insufficient(&item_id, held, quantity.max(1)));
        }
        let balance = draft.take(&item_id, quantity, None)?;
        Ok(Consumed { item_id, quantity, balance })
    }

    /// Checks what else the user must hold, and takes what the use consumes of it.
    fn meet_requirements(&self, definition: &Use, draft: &mut Draft<'_>) -> Result<(), Rejection> {
        for requirement in &definition.requires {
            let times = if requirement.consume { self.quantity.get() } else { 1 };
            let needed = requirement.quantity.get() * times;
            let held = draft.holding(&requirement.item_id).quantity;
            if held < needed {
                let message =
                    format!("using {} requires {needed} of {}, {held} held", self.item_id, requirement.item_id);
                let pieces = Pieces { item_id: requirement.item_id.clone(), quantity: needed };
                let rejection = Rejection::of_item(RejectionCode::ConditionFailed, &requirement.item_id, held, message);
                return Err(Rejection { condition: Some(Condition::Requires(pieces)), ..rejection });
            }
            if requirement.consume {
                draft.take(&requirement.item_id, needed, Some(&self.cause()))?;
            }
        }
        Ok(())
    }

    /// Grants the effects in order, `quantity` times each.
    fn give(&self, definition: &Use, draft: &mut Draft<'_>) -> Result<Vec<EffectResult>, Rejection> {
        let mut results = Vec::new();
        for Effect::Grant(items) in &definition.effects {
            for item in items {
                let wanted = item.quantity.get() * self.quantity.get();
                let quantity = Quantity::parse(wanted).map_err(|_| {
                    let held = draft.holding(&item.item_id).quantity;
                    let message = format!("one job grants at most {} pieces, not {wanted}", Quantity::MAX);
                    Rejection::of_item(RejectionCode::StackLimit, &item.item_id, held, message)
                })?;
                let outcome =
                    draft.grant(&ItemQuantity { item_id: item.item_id.clone(), quantity }, Some(&self.cause()))?;
                results.extend(outcome.granted.map(EffectResult::Granted));
                results.extend(outcome.skipped.map(EffectResult::Skipped));
            }
        }
        Ok(results)
    }

    /// What the ledger names as the cause of everything but the use itself.
    fn cause(&self) -> String {
        format!("{}:{}", Self::TYPE, self.item_id)
    }
}
