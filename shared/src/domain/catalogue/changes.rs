//! What publishing one catalogue after another changes.

use serde::Serialize;

use super::Catalogue;
use crate::domain::ItemId;

/// The items that differ between two catalogues, each list in order of the ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// Only in the new one.
    pub added: Vec<ItemId>,
    /// Only in the old one. An item that someone holds may be retired, not removed.
    pub removed: Vec<ItemId>,
    /// In both, defined differently.
    pub changed: Vec<ItemId>,
}

impl Changes {
    /// Whether the two catalogues say the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    pub(super) fn between(old: &Catalogue, new: &Catalogue) -> Self {
        let mut changes = Self::default();
        for (id, item) in new.iter() {
            match old.get(id) {
                None => changes.added.push(id.clone()),
                Some(before) if before != item => changes.changed.push(id.clone()),
                Some(_) => {}
            }
        }
        changes.removed.extend(old.iter().filter(|(id, _)| new.get(id).is_none()).map(|(id, _)| id.clone()));
        changes.added.sort_unstable();
        changes.removed.sort_unstable();
        changes.changed.sort_unstable();
        changes
    }
}
