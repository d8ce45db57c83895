//! So many pieces of an item, as jobs and the catalogue write it.

use satchel_forms::{At, Faults, Form, Node};
use serde::Serialize;

use crate::ids::{ItemId, Quantity};

/// An item and how many pieces of it: `"key"` (one piece) or `{"itemId":"gold","quantity":500}` (default one piece).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Form)]
#[serde(rename_all = "camelCase")]
#[form(or = ItemId, expects = "an item id or an object")]
pub struct ItemQuantity {
    /// The item.
    pub item_id: ItemId,
    /// The pieces.
    #[form(default = Quantity::ONE)]
    pub quantity: Quantity,
}

impl From<ItemId> for ItemQuantity {
    fn from(item_id: ItemId) -> Self {
        Self { item_id, quantity: Quantity::ONE }
    }
}

impl ItemQuantity {
    /// Reads one of a list in which no item comes twice. (The list is short: each is compared with those before it.)
    pub fn read_distinct<C: ?Sized>(
        node: Node,
        at: &At<'_>,
        earlier: &[Self],
        context: &mut C,
        faults: &mut Faults,
    ) -> Option<Self> {
        let item = Self::read(node, at, context, faults)?;
        if earlier.iter().any(|other| other.item_id == item.item_id) {
            faults.note(at, format!("names {} a second time", item.item_id));
        }
        Some(item)
    }
}
