//! So many pieces of an item, as jobs and the catalogue write it.

use std::collections::HashSet;

use satchel_forms::{Faults, Fields, Node, Pointer};
use serde::Serialize;

use crate::ids::{ItemId, Quantity};

/// An item and how many pieces of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemQuantity {
    /// The item.
    pub item_id: ItemId,
    /// The pieces.
    pub quantity: Quantity,
}

impl ItemQuantity {
    /// Reads `"key"` (one piece) or `{"itemId":"gold","quantity":500}` (default one piece).
    pub fn read(node: Node, at: Pointer, faults: &mut Faults) -> Option<Self> {
        if let Node::String(_) = node {
            let item_id = Node::read_string(ItemId::parse)(node, at, faults)?;
            return Some(Self { item_id, quantity: Quantity::ONE });
        }
        let Node::Object(_) = node else {
            faults.add(at, format!("must be an item id or an object, not {}", node.kind()));
            return None;
        };
        let mut fields = Fields::open(node, at, faults)?;
        let item_id = fields.required("itemId", Node::read_string(ItemId::parse));
        // A faulty quantity is noted, which refuses the whole document.
        let quantity = fields.optional("quantity", Node::read_integer(Quantity::parse)).unwrap_or(Quantity::ONE);
        fields.finish();
        Some(Self { item_id: item_id?, quantity })
    }

    /// Reads a list of 1 to `most` of them in which no item comes twice.
    pub fn read_list(most: usize) -> impl FnOnce(Node, Pointer, &mut Faults) -> Option<Vec<Self>> {
        let mut seen = HashSet::new();
        Node::read_array(1..=most, move |node, at, faults| {
            let item = Self::read(node, at.clone(), faults)?;
            if !seen.insert(item.item_id.clone()) {
                faults.add(at, format!("names {} a second time", item.item_id));
            }
            Some(item)
        })
    }
}
