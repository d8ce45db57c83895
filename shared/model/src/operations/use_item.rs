//! A player uses an item it holds.

use satchel_forms::Form;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Context, Operation};
use crate::access::{Access, Scope};
use crate::catalogue::{Effect, ItemQuantity, Usage, Use};
use crate::decide::{Draft, GameEvent, GrantOutcome, Granted, RuleOutcome, Skipped, reads_of_rules};
use crate::facts::Reads;
use crate::ids::{EventName, ItemId, Quantity, UserId};
use crate::json::raw;
use crate::rejection::{Rejection, RejectionCode};

/// Uses an item `quantity` times: everything that takes and gives is one atomic outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Form)]
#[serde(rename_all = "camelCase")]
pub struct UseItem {
    /// The item.
    pub item_id: ItemId,
    /// How many times.
    #[form(default = Quantity::ONE)]
    pub quantity: Quantity,
}

/// What came of a use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UseResult {
    /// What it took of the used item.
    pub consumed: Consumed,
    /// What it gave, in order.
    pub effects: Vec<EffectResult>,
}

/// Pieces that a use took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Consumed {
    /// The used item.
    pub item_id: ItemId,
    /// How many pieces; 0 if a use keeps the item.
    pub quantity: i64,
    /// How many the user has then.
    pub balance: i64,
}

/// What one effect did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EffectResult {
    /// The user got pieces.
    Granted(Granted),
    /// It did not get pieces.
    Skipped(Skipped),
    /// An event was told of.
    Emitted(Emitted),
}

/// An event that a use told of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Emitted {
    /// What happened.
    pub name: String,
    /// What rules gave for it.
    pub rewards: Vec<RuleOutcome>,
}

impl Operation for UseItem {
    const NAME: &'static str = "use_item";
    const ACCESS: Access = Access { scope: Scope::ItemsUse, players: true };
    type Outcome = UseResult;

    fn reads<'a>(&'a self, context: &Context<'a, '_>, reads: &mut Reads<'a>) {
        let Context { user_id, catalogue, .. } = *context;
        reads.holding(user_id, &self.item_id);
        let Some(definition) = catalogue.get(&self.item_id).and_then(|item| item.use_.as_ref()) else { return };
        definition.rules.reads(&self.usage(user_id), reads);
        for effect in &definition.effects {
            match effect {
                Effect::Grant(items) => items.iter().for_each(|item| reads.holding(user_id, &item.item_id)),
                Effect::Emit(name) => {
                    let data = Effect::emitted_data(&self.item_id, self.quantity);
                    reads_of_rules(catalogue, user_id, name, &data, reads);
                }
            }
        }
    }

    fn decide(&self, draft: &mut Draft<'_>) -> Result<UseResult, Rejection> {
        let item_id = &self.item_id;
        let item = draft.catalogue().get(item_id).ok_or_else(|| Rejection::unknown_item(item_id))?;
        let definition = item.use_.as_ref().ok_or_else(|| {
            let message = format!("the item {item_id} has no use");
            Rejection::of_item(RejectionCode::NotUsable, item_id, draft.user.holding(item_id).quantity, message)
        })?;
        definition.rules.check(&self.usage(draft.user.user_id()), draft)?;
        let consumed = Consumed {
            item_id: item_id.clone(),
            quantity: definition.rules.consume.of(self.quantity.get()),
            balance: draft.user.holding(item_id).quantity,
        };
        draft.user.note_use(item_id, self.quantity.get());
        let effects = self.give(definition, draft)?;
        self.check_worth(definition, &effects, draft)?;
        Ok(UseResult { consumed, effects })
    }
}

impl UseItem {
    fn usage<'a>(&'a self, user_id: &'a UserId) -> Usage<'a> {
        Usage { user_id, item_id: &self.item_id, times: self.quantity.get(), operation: Self::NAME }
    }

    /// Does what the effects say, in order; grants `quantity` times each.
    fn give(&self, definition: &Use, draft: &mut Draft<'_>) -> Result<Vec<EffectResult>, Rejection> {
        let mut results = Vec::new();
        for effect in &definition.effects {
            match effect {
                Effect::Grant(items) => {
                    for item in items {
                        let outcome = self.grant(item, draft)?;
                        results.extend(outcome.granted.map(EffectResult::Granted));
                        results.extend(outcome.skipped.map(EffectResult::Skipped));
                    }
                }
                Effect::Emit(name) => results.push(EffectResult::Emitted(self.emit(name, draft))),
            }
        }
        Ok(results)
    }

    fn grant(&self, item: &ItemQuantity, draft: &mut Draft<'_>) -> Result<GrantOutcome, Rejection> {
        let wanted = item.quantity.get() * self.quantity.get();
        let quantity = Quantity::parse(wanted).map_err(|_| {
            let has = draft.user.holding(&item.item_id).quantity;
            let message = format!("one job grants at most {} pieces, not {wanted}", Quantity::MAX);
            Rejection::of_item(RejectionCode::StackLimit, &item.item_id, has, message)
        })?;
        let cause = self.usage(draft.user.user_id()).cause();
        draft.user.grant(&ItemQuantity { item_id: item.item_id.clone(), quantity }, Some(&cause))
    }

    /// Nobody pays for nothing: a use that takes something must grant something, if there is something that it should grant.
    /// (What rules give for its events is not its own.)
    fn check_worth(&self, definition: &Use, effects: &[EffectResult], draft: &Draft<'_>) -> Result<(), Rejection> {
        if definition.allow_skipped || !definition.rules.takes() {
            return Ok(());
        }
        let mut first_skipped = None;
        for effect in effects {
            match effect {
                EffectResult::Granted(_) => return Ok(()),
                EffectResult::Skipped(skipped) => first_skipped = first_skipped.or(Some(skipped)),
                EffectResult::Emitted(_) => {}
            }
        }
        let Some(skipped) = first_skipped else { return Ok(()) };
        Err(skipped.refusal(&self.item_id, draft.user.holding_before(&skipped.item_id).quantity))
    }

    /// Records an event, one however many pieces are used, and gives what rules give for it.
    fn emit(&self, name: &EventName, draft: &mut Draft<'_>) -> Emitted {
        let data = Effect::emitted_data(&self.item_id, self.quantity);
        let event = GameEvent { name: name.clone(), id: None, occurred_at: None, data: raw(&data) };
        Emitted { name: name.to_string(), rewards: draft.record(event, &data) }
    }
}
