//! A player uses an item it holds.

use satchel_forms::Form;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::JobType;
use super::send_event::told_of_rules;
use crate::domain::catalogue::{Catalogue, Effect, Use};
use crate::domain::{
    Condition, Draft, Emission, EventName, GrantOutcome, Granted, Holdings, ItemId, ItemQuantity, OnceKey, Pieces,
    Plan, Quantity, Rejection, RejectionCode, RuleOutcome, Scope, Skipped, SubmitRule, Used, insufficient, raw,
};
use crate::events::{EventType, ItemUsed};

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

impl JobType for UseItem {
    const TYPE: &'static str = "use_item";
    const SUBMIT: SubmitRule = SubmitRule { scope: Scope::ItemsUse, players: true };

    fn touched<'a>(&'a self, catalogue: &'a Catalogue, touch: &mut dyn FnMut(&'a ItemId)) {
        touch(&self.item_id);
        if let Some(definition) = catalogue.get(&self.item_id).and_then(|item| item.use_.as_ref()) {
            definition.requires.iter().for_each(|requirement| touch(&requirement.item_id));
            for effect in &definition.effects {
                match effect {
                    Effect::Grant(items) => items.iter().for_each(|item| touch(&item.item_id)),
                    Effect::Emit(name) => {
                        catalogue.rules_on(name).flat_map(|rule| &rule.grant).for_each(|item| touch(&item.item_id));
                    }
                }
            }
        }
    }

    fn once_keys(&self, catalogue: &Catalogue) -> Vec<OnceKey> {
        let definition = catalogue.get(&self.item_id).and_then(|item| item.use_.as_ref());
        let effects = definition.map(|definition| &definition.effects[..]).unwrap_or_default();
        let emitted = effects.iter().filter_map(|effect| match effect {
            Effect::Emit(name) => Some(name),
            Effect::Grant(_) => None,
        });
        let data = || Effect::emitted_data(&self.item_id, self.quantity);
        emitted.flat_map(|name| catalogue.once_keys(name, &data())).collect()
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
        let mut events = vec![ItemUsed::of_record()];
        let effects = self.give(definition, &mut draft, &mut events)?;
        self.check_worth(definition, &effects, holdings)?;
        let (changes, once) = draft.into_parts();
        Ok(Plan {
            changes,
            once,
            used: Some(Used { item_id: item_id.clone(), times: self.quantity.get() }),
            events,
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

    /// Does what the effects say, in order; grants `quantity` times each.
    fn give(
        &self,
        definition: &Use,
        draft: &mut Draft<'_>,
        events: &mut Vec<Emission>,
    ) -> Result<Vec<EffectResult>, Rejection> {
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
                Effect::Emit(name) => results.push(EffectResult::Emitted(self.emit(name, draft, events))),
            }
        }
        Ok(results)
    }

    fn grant(&self, item: &ItemQuantity, draft: &mut Draft<'_>) -> Result<GrantOutcome, Rejection> {
        let wanted = item.quantity.get() * self.quantity.get();
        let quantity = Quantity::parse(wanted).map_err(|_| {
            let held = draft.holding(&item.item_id).quantity;
            let message = format!("one job grants at most {} pieces, not {wanted}", Quantity::MAX);
            Rejection::of_item(RejectionCode::StackLimit, &item.item_id, held, message)
        })?;
        draft.grant(&ItemQuantity { item_id: item.item_id.clone(), quantity }, Some(&self.cause()))
    }

    /// Nobody pays for nothing: a use that takes something must grant something, if there is something that it should grant.
    /// (What rules give for its events is not its own.)
    fn check_worth(&self, definition: &Use, effects: &[EffectResult], before: &Holdings) -> Result<(), Rejection> {
        if definition.allow_skipped || !definition.takes() {
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
        first_skipped
            .map_or(Ok(()), |skipped| Err(skipped.refusal(&self.item_id, before.get(&skipped.item_id).quantity)))
    }

    /// Tells of an event, once however many pieces are used, and gives what rules give for it.
    fn emit(&self, name: &EventName, draft: &mut Draft<'_>, events: &mut Vec<Emission>) -> Emitted {
        let data = Effect::emitted_data(&self.item_id, self.quantity);
        let rewards = draft.follow_rules(name, &data);
        events.push(Emission {
            name: name.to_string().into(),
            version: 1,
            id: None,
            occurred_at: None,
            data: Some(raw(&data)),
            with_job: false,
        });
        events.extend(told_of_rules(name, &rewards));
        Emitted { name: name.to_string(), rewards }
    }

    /// What the ledger names as the cause of everything but the use itself.
    fn cause(&self) -> String {
        format!("{}:{}", Self::TYPE, self.item_id)
    }
}
