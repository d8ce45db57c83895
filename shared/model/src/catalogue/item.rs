//! What one item is: how it may be granted and what using it does.

use std::ops::Not;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use serde_json::{Map, Value, json};

use super::{ItemQuantity, UseRules};
use crate::facts::MAX_BALANCE;
use crate::ids::{EventName, ItemId, Quantity};

/// One item's definition. Serialises to its canonical form: defaults are left out where they go without saying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// What people call it: 1–100 characters, none of them a control character.
    pub name: String,
    /// How often and how many of it a user may be granted.
    #[serde(flatten)]
    pub grant: GrantPolicy,
    /// What using it does; `None` if it cannot be used.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub use_: Option<Use>,
    /// Whether it is no longer granted. Those who hold it keep it and may use it.
    #[serde(skip_serializing_if = "Not::not")]
    pub retired: bool,
}

impl Item {
    /// The longest name, in characters.
    pub const MAX_NAME_CHARS: usize = 100;
}

/// How often and how many of an item a user may be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantPolicy {
    /// Once ever, also after it was used up.
    Once,
    /// As long as the user holds none.
    Unique,
    /// Any number, up to `max_stack`.
    Stack {
        /// The most pieces that a user may hold, 1 to [`GrantPolicy::MAX_STACK`]; `None` for no limit.
        max_stack: Option<i64>,
        /// What happens to a grant that goes beyond.
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Overflow {
    /// The whole job is rejected.
    #[default]
    Reject,
    /// What fits is granted, and the result says what did not.
    Clamp,
}

/// What using an item asks and gives, all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Use {
    /// What it asks of its user.
    #[serde(flatten)]
    pub rules: UseRules,
    /// What a use gives, in order.
    pub effects: Vec<Effect>,
    /// Whether a use that takes something is applied though all that its effects grant is skipped.
    #[serde(rename = "allowSkipped", skip_serializing_if = "Not::not")]
    pub allow_skipped: bool,
}

impl Use {
    /// The most effects of one item.
    pub const MAX_EFFECTS: usize = 20;
}

/// One thing that a use does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Grants items, each id once: 1 to [`Effect::MAX_GRANTS`].
    Grant(Vec<ItemQuantity>),
    /// Tells of an event of the game's own.
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
