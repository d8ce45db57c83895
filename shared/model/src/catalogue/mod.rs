//! What items exist and what they do: data, written by designers and published as immutable versions.
//!
//! A [`Catalogue`] that exists is valid: [`Catalogue::parse`] checks the whole document and lists
//! every fault, and serialising gives the canonical document, which parses to the same catalogue.

mod changes;
mod cycles;
mod data_pointer;
mod emitted;
mod event;
mod item;
mod item_quantity;
mod read;
mod reading;
mod references;
mod required;
mod rule;
mod schema_cost;
mod tightened;
mod use_rules;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use satchel_forms::{Faults, Pointer};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use serde_json::{Map, Value};

use crate::facts::OnceKey;
use crate::ids::{EventName, ItemId};

pub use changes::{Changes, Difference};
pub use data_pointer::{DataPointer, InvalidPointer};
pub use event::{DataSchema, EventDefinition};
pub use item::{Effect, GrantPolicy, Item, Overflow, Use};
pub use item_quantity::ItemQuantity;
pub use read::catalogue_schema;
pub use rule::Rule;
pub use tightened::Tightened;
pub use use_rules::*;

/// The items, events and rules of one published version. The default one has none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    items: HashMap<ItemId, Item>,
    /// Events that are described.
    events: BTreeMap<EventName, EventDefinition>,
    /// In the document's order.
    rules: Vec<Rule>,
    /// All events of the game's own: described, emitted by a use, or waited for by a rule.
    event_names: HashSet<EventName>,
    /// The rules for each event, as places in `rules`.
    rules_by_event: HashMap<EventName, Vec<usize>>,
    /// The items that those may give, each once.
    given_for: HashMap<EventName, Vec<ItemId>>,
}

impl Catalogue {
    /// The most items of one catalogue.
    pub const MAX_ITEMS: usize = 10_000;
    /// The most events that one catalogue describes.
    pub const MAX_EVENTS: usize = 1_000;
    /// What the compiled patterns of all schemas of one catalogue may take, in bytes.
    pub const MAX_PATTERNS_BYTES: usize = 16 * 1024 * 1024;
    /// The most rules of one catalogue.
    pub const MAX_RULES: usize = 1_000;

    /// The item's definition, also of a retired item; `None` if there is no such item.
    #[must_use]
    pub fn get(&self, id: &ItemId) -> Option<&Item> {
        self.items.get(id)
    }

    fn new(items: HashMap<ItemId, Item>, events: BTreeMap<EventName, EventDefinition>, rules: Vec<Rule>) -> Self {
        let mut event_names: HashSet<EventName> = events.keys().cloned().collect();
        let mut rules_by_event: HashMap<EventName, Vec<usize>> = HashMap::new();
        let mut given_for: HashMap<EventName, Vec<ItemId>> = HashMap::new();
        for (place, rule) in rules.iter().enumerate() {
            event_names.insert(rule.on.clone());
            rules_by_event.entry(rule.on.clone()).or_default().push(place);
            let given = given_for.entry(rule.on.clone()).or_default();
            given.extend(rule.grant.iter().map(|item| item.item_id.clone()));
            given.sort_unstable();
            given.dedup();
        }
        for effect in items.values().filter_map(|item| item.use_.as_ref()).flat_map(|use_| &use_.effects) {
            if let Effect::Emit(name) = effect {
                event_names.insert(name.clone());
            }
        }
        Self { items, events, rules, event_names, rules_by_event, given_for }
    }

    /// Whether it is an event of the game's own.
    #[must_use]
    pub fn knows_event(&self, name: &EventName) -> bool {
        self.event_names.contains(name)
    }

    /// The events of the game's own, in order, with their descriptions if they have some.
    #[must_use]
    pub fn events(&self) -> Vec<(&EventName, Option<&EventDefinition>)> {
        let mut names: Vec<_> = self.event_names.iter().map(|name| (name, self.events.get(name))).collect();
        names.sort_unstable_by_key(|(name, _)| *name);
        names
    }

    /// The rules for an event, in the document's order.
    pub fn rules_on(&self, name: &EventName) -> impl Iterator<Item = &Rule> {
        let places = self.rules_by_event.get(name).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| self.rules.get(*place))
    }

    /// The items that the rules for an event may give, each once.
    #[must_use]
    pub fn given_for(&self, name: &EventName) -> &[ItemId] {
        self.given_for.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// What the rules for an event with such data give for only once.
    #[must_use]
    pub fn once_keys(&self, name: &EventName, data: &Map<String, Value>) -> Vec<OnceKey> {
        self.rules_on(name).filter_map(|rule| rule.once_key(data).ok().flatten()).collect()
    }

    /// Whether an event's data, which stands `at` some place, is as its schema and the rules for it need it.
    ///
    /// # Errors
    /// Every fault.
    pub fn check_event(&self, name: &EventName, data: &Map<String, Value>, at: &Pointer) -> Result<(), Faults> {
        let mut faults = Faults::default();
        if let Some(schema) = self.events.get(name).and_then(|event| event.schema.as_ref()) {
            schema.check(data, at, &mut faults);
        }
        for rule in self.rules_on(name) {
            if let Err(pointer) = rule.once_key(data) {
                let most = OnceKey::MAX_VALUE_BYTES;
                let detail = format!(
                    "must be a text, number or boolean of at most {most} bytes: the rule {} gives for it",
                    rule.id
                );
                faults.add(at.below(pointer.as_str()), detail);
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The most work that [`Catalogue::check_event`] can have with an event's data, in subschemas applied to values. Ten
    /// thousand take about a millisecond.
    #[must_use]
    pub fn event_work(&self, name: &EventName, data: &Map<String, Value>) -> u64 {
        self.events.get(name).and_then(|event| event.schema.as_ref()).map_or(0, |schema| schema.work(data))
    }

    /// Each item, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&ItemId, &Item)> {
        self.items.iter()
    }

    /// What publishing `new` after `old` changes.
    #[must_use]
    pub fn compare(old: &Self, new: &Self) -> Changes {
        Changes::between(old, new)
    }
}

/// The canonical document: items in order of their ids, defaults left out where they go without
/// saying. What is stored is this, so what is stored is exactly what was checked.
impl Serialize for Catalogue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = serializer.serialize_struct("Catalogue", 3)?;
        document.serialize_field("items", &self.items.iter().collect::<BTreeMap<_, _>>())?;
        if !self.events.is_empty() {
            document.serialize_field("events", &self.events)?;
        }
        if !self.rules.is_empty() {
            document.serialize_field("rules", &self.rules)?;
        }
        document.end()
    }
}
