//! What items exist and what they do: data, written by designers and published as immutable versions.
//!
//! A [`Catalogue`] that exists is valid: [`Catalogue::parse`] checks the whole document and lists
//! every fault, and serialising gives the canonical document, which parses to the same catalogue.

mod changes;
mod cycles;
mod item;
mod read;
mod references;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::ItemId;
use crate::json::{Faults, Node};

pub use changes::Changes;
pub use item::{Effect, GrantPolicy, Item, Overflow, Requirement, Use};

/// The items of one published version. The default one has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    items: HashMap<ItemId, Item>,
}

impl Catalogue {
    /// The most items of one catalogue.
    pub const MAX_ITEMS: usize = 10_000;

    /// Reads and checks a whole document, in the form of CATALOGUE.md.
    ///
    /// # Errors
    /// Every fault of the document, with its place, as far as [`Faults`] keeps them.
    pub fn parse(node: Node) -> Result<Self, Faults> {
        read::document(node)
    }

    /// The item's definition, also of a retired item; `None` if there is no such item.
    #[must_use]
    pub fn get(&self, id: &ItemId) -> Option<&Item> {
        self.items.get(id)
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
        let mut document = serializer.serialize_struct("Catalogue", 1)?;
        document.serialize_field("items", &self.items.iter().collect::<BTreeMap<_, _>>())?;
        document.end()
    }
}
