//! What items, events and rules say of each other: checked once all of them are known.

use std::collections::HashSet;
use std::fmt;

use satchel_forms::{Faults, Pointer};

use crate::ids::{EventName, ItemId};

/// What can lead to something and be led to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Thing {
    /// An item, by its use.
    Item(ItemId),
    /// An event, by the rules for it.
    Event(EventName),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(id) => id.fmt(f),
            Self::Event(name) => name.fmt(f),
        }
    }
}

/// How one thing refers to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its use needs the other.
    Requires,
    /// Its use, or a rule for it, grants or emits the other.
    Gives,
}

/// One thing's mention of another.
#[derive(Debug)]
pub(super) struct Reference {
    /// Who mentions; `None` if its id has a fault.
    pub(super) from: Option<Thing>,
    /// Who is mentioned.
    pub(super) to: Thing,
    pub(super) kind: Kind,
    /// Where.
    pub(super) at: Pointer,
}

/// All mentions of a document in its order, and which items there are.
#[derive(Debug, Default)]
pub(super) struct References {
    /// The ids of all items of the document, also of items with faults.
    declared: HashSet<ItemId>,
    retired: HashSet<ItemId>,
    noted: Vec<Reference>,
}

impl References {
    /// Whether the document declared `id` so far.
    pub(super) fn is_declared(&self, id: &ItemId) -> bool {
        self.declared.contains(id)
    }

    /// Notes that the document declares an item.
    pub(super) fn declare(&mut self, id: ItemId) {
        self.declared.insert(id);
    }

    /// Notes that an item is retired.
    pub(super) fn retire(&mut self, id: &ItemId) {
        self.retired.insert(id.clone());
    }

    /// Notes a mention.
    pub(super) fn note(&mut self, reference: Reference) {
        self.noted.push(reference);
    }

    /// All mentions, in the document's order.
    pub(super) fn noted(&self) -> &[Reference] {
        &self.noted
    }

    /// Notes mentions of items that there are not, and grants of retired items.
    pub(super) fn check(&self, faults: &mut Faults) {
        for Reference { to, kind, at, .. } in &self.noted {
            // Whether events are known is asked of new documents alone, where their rules are read.
            let Thing::Item(to) = to else { continue };
            if !self.declared.contains(to) {
                faults.add(at.clone(), format!("the catalogue has no item {to}"));
            } else if *kind == Kind::Gives && self.retired.contains(to) {
                faults.add(at.clone(), format!("{to} is retired and can no longer be granted"));
            }
        }
    }
}
