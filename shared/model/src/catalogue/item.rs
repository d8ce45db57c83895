//! What one item is: how it may be granted and what using it does.

use std::ops::Not;

use satchel_forms::{At, Faults, Form, Node, pattern_schema};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use serde_json::{Map, Value, json};

use super::reading::{Reading, read_own};
use super::references::{Kind, Thing};
use super::{ItemQuantity, UseRules};
use crate::facts::MAX_BALANCE;
use crate::ids::{EventName, ItemId, Quantity};

/// An item.
///
/// Serialises to its canonical form: defaults are left out where they go without saying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Form)]
#[form(context = Reading)]
pub struct Item {
    /// What people call it, without control characters.
    #[form(text = Item::parse_name, schema = pattern_schema(1..=Item::MAX_NAME_CHARS, "^\\P{Cc}*$"))]
    pub name: String,
    /// How often and how many of it a user may be granted.
    #[serde(flatten)]
    pub grant: GrantPolicy,
    /// What using it does; without it, it cannot be used.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub use_: Option<Use>,
    /// Whether it is no longer granted. Those who hold it keep it and may use it.
    #[form(default, with = read_retired)]
    #[serde(skip_serializing_if = "Not::not")]
    pub retired: bool,
}

impl Item {
    /// The longest name, in characters.
    pub const MAX_NAME_CHARS: usize = 100;

    fn parse_name(text: &str) -> Result<String, String> {
        let length = text.chars().count();
        if !(1..=Self::MAX_NAME_CHARS).contains(&length) {
            return Err(format!("must be 1 to {} characters, not {length}", Self::MAX_NAME_CHARS));
        }
        if text.chars().any(char::is_control) {
            return Err("must have no control characters".to_owned());
        }
        Ok(text.to_owned())
    }
}

/// How often and how many of an item a user may be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Form)]
#[serde(rename_all = "lowercase", rename_all_fields = "camelCase")]
#[form(
    tag = "grant",
    expects = "must be `once`, `unique` or `stack`",
    foreign = "goes only with the grant policy `stack`"
)]
pub enum GrantPolicy {
    /// Once ever, also after it was used up.
    Once,
    /// As long as the user holds none.
    Unique,
    /// Any number, up to `maxStack`.
    Stack {
        /// The most pieces that a user may hold; no limit if it is not given.
        #[form(range = 1..=GrantPolicy::MAX_STACK)]
        max_stack: Option<i64>,
        /// What happens to a grant that goes beyond.
        #[form(default)]
        overflow: Overflow,
    },
}

impl GrantPolicy {
    /// The largest `maxStack`: nobody can hold more.
    pub const MAX_STACK: i64 = MAX_BALANCE;
}

/// As the fields `grant`, `maxStack` and `overflow` of the item. `overflow` is written where there is
/// a `maxStack` for it to act on, and never lost.
impl Serialize for GrantPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (name, max_stack, overflow) = match *self {
            Self::Once => ("once", None, Overflow::default()),
            Self::Unique => ("unique", None, Overflow::default()),
            Self::Stack { max_stack, overflow } => ("stack", max_stack, overflow),
        };
        let writes_overflow = max_stack.is_some() || overflow != Overflow::default();
        let fields = 1 + usize::from(max_stack.is_some()) + usize::from(writes_overflow);
        let mut policy = serializer.serialize_struct("GrantPolicy", fields)?;
        policy.serialize_field("grant", name)?;
        if let Some(max_stack) = max_stack {
            policy.serialize_field("maxStack", &max_stack)?;
        }
        if writes_overflow {
            policy.serialize_field("overflow", &overflow)?;
        }
        policy.end()
    }
}

/// What happens to a grant that goes beyond `maxStack`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Form)]
#[serde(rename_all = "lowercase")]
#[form(expects = "must be `reject` or `clamp`")]
pub enum Overflow {
    /// The whole job is rejected.
    #[default]
    Reject,
    /// What fits is granted, and the result says what did not.
    Clamp,
}

/// What using an item asks and gives, all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Form)]
#[form(
    context = Reading,
    later("cooldownSeconds", "availableFrom", "availableUntil", "maxUses", "maxUsesPerDay")
)]
pub struct Use {
    /// What it asks of its user.
    #[serde(flatten)]
    pub rules: UseRules,
    /// What a use gives, in order.
    #[form(default, entries = 0..=Use::MAX_EFFECTS)]
    pub effects: Vec<Effect>,
    /// Whether a use that takes something is applied though all that its effects grant is skipped.
    #[form(default)]
    #[serde(rename = "allowSkipped", skip_serializing_if = "Not::not")]
    pub allow_skipped: bool,
}

impl Use {
    /// The most effects of one item.
    pub const MAX_EFFECTS: usize = 20;
}

/// One thing that a use does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Form)]
#[serde(rename_all = "camelCase")]
#[form(context = Reading, beside = "each effect does one thing", later("roll"))]
pub enum Effect {
    /// Grants items, each id once.
    #[form(entries = 1..=Effect::MAX_GRANTS, each = read_grant)]
    Grant(Vec<ItemQuantity>),
    /// Tells of an event of the game's own.
    #[form(with = read_emit)]
    Emit(EventName),
}

impl Effect {
    /// The most entries of one `grant` list.
    pub const MAX_GRANTS: usize = 50;

    /// What an event tells that a use of so many pieces emits: always exactly this.
    #[must_use]
    pub fn emitted_data(item_id: &ItemId, quantity: Quantity) -> Map<String, Value> {
        let members = [("itemId", json!(item_id)), ("quantity", json!(quantity.get()))];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Whether an item is retired: known even where the item has a fault.
fn read_retired(node: Node, at: &At<'_>, reading: &mut Reading, faults: &mut Faults) -> Option<bool> {
    let is_retired = bool::read(node, at, reading, faults)?;
    if let (true, Some(Thing::Item(id))) = (is_retired, &reading.from) {
        reading.references.retire(id);
    }
    Some(is_retired)
}

/// What a use or a rule grants.
pub(super) fn read_grant(
    node: Node,
    at: &At<'_>,
    earlier: &[ItemQuantity],
    reading: &mut Reading,
    faults: &mut Faults,
) -> Option<ItemQuantity> {
    let is_object = matches!(node, Node::Object(_));
    let granted = ItemQuantity::read(node, at, reading, faults)?;
    let (item_id, at) = (&granted.item_id, if is_object { &at.field("itemId") } else { at });
    let is_repeated = earlier.iter().any(|other| other.item_id == *item_id);
    reading.refer(Kind::Gives, item_id, at, is_repeated, faults);
    Some(granted)
}

/// What a use emits.
fn read_emit(node: Node, at: &At<'_>, reading: &mut Reading, faults: &mut Faults) -> Option<EventName> {
    let name = read_own(node, at, reading, faults)?;
    reading.note_emitted(&name, at);
    Some(name)
}
