//! What items say of each other: checked once all of them are known.

use std::collections::HashSet;

use super::cycles;
use crate::domain::ItemId;
use crate::json::{Faults, Pointer};

/// How one item refers to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its use needs the other.
    Requires,
    /// Its use grants the other.
    Grants,
}

/// One item's mention of another.
#[derive(Debug)]
pub(super) struct Reference {
    /// Who mentions; `None` if that item's id has a fault.
    pub(super) from: Option<ItemId>,
    /// Who is mentioned.
    pub(super) to: ItemId,
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

    /// Notes mentions of items that there are not, grants of retired items, and cycles of grants.
    pub(super) fn check(&self, faults: &mut Faults) {
        for Reference { to, kind, at, .. } in &self.noted {
            if !self.declared.contains(to) {
                faults.add(at.clone(), format!("the catalogue has no item {to}"));
            } else if *kind == Kind::Grants && self.retired.contains(to) {
                faults.add(at.clone(), format!("{to} is retired and can no longer be granted"));
            }
        }
        cycles::check(&self.noted, faults);
    }
}
