//! What publishing one catalogue after another changes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Catalogue, Rule};
use crate::ids::{EventName, ItemId, RuleId};

/// What differs between two catalogues.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// The items. One that someone holds may be retired, not removed.
    #[serde(flatten)]
    pub items: Difference<ItemId>,
    /// The events that are described.
    #[serde(skip_serializing_if = "Difference::is_empty")]
    pub events: Difference<EventName>,
    /// The rules.
    #[serde(skip_serializing_if = "Difference::is_empty")]
    pub rules: Difference<RuleId>,
}

/// What differs between two collections, each list in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference<T> {
    /// Only in the new one.
    pub added: Vec<T>,
    /// Only in the old one.
    pub removed: Vec<T>,
    /// In both, otherwise than before.
    pub changed: Vec<T>,
}

impl<T> Default for Difference<T> {
    fn default() -> Self {
        Self { added: Vec::new(), removed: Vec::new(), changed: Vec::new() }
    }
}

impl<T: Ord + Clone> Difference<T> {
    /// Whether both say the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    fn between<'c, V: PartialEq + 'c>(
        old: impl Iterator<Item = (&'c T, &'c V)>,
        new: impl Iterator<Item = (&'c T, &'c V)>,
    ) -> Self
    where
        T: 'c,
    {
        let mut old: BTreeMap<&T, &V> = old.collect();
        let mut difference = Self::default();
        for (name, value) in new {
            match old.remove(name) {
                None => difference.added.push(name.clone()),
                Some(before) if before != value => difference.changed.push(name.clone()),
                Some(_) => {}
            }
        }
        difference.removed.extend(old.into_keys().cloned());
        difference.added.sort_unstable();
        difference.changed.sort_unstable();
        difference
    }
}

impl Changes {
    /// Whether the two catalogues say the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.events.is_empty() && self.rules.is_empty()
    }

    pub(super) fn between(old: &Catalogue, new: &Catalogue) -> Self {
        let mut changes = Self {
            items: Difference::between(old.iter(), new.iter()),
            events: Difference::between(old.events.iter(), new.events.iter()),
            rules: Difference::between(by_id(old), by_id(new)),
        };
        if changes.rules.is_empty() && old.rules != new.rules {
            // The same in another order, in which they give.
            changes.rules.changed = new.rules.iter().map(|rule| rule.id.clone()).collect();
            changes.rules.changed.sort_unstable();
        }
        changes
    }
}

fn by_id(catalogue: &Catalogue) -> impl Iterator<Item = (&RuleId, &Rule)> {
    catalogue.rules.iter().map(|rule| (&rule.id, rule))
}
