//! What one user has.

use std::collections::{HashMap, HashSet};

use super::OnceKey;
use crate::decide::{Change, Plan};
use crate::ids::ItemId;

/// The most of one item that a user can have, in pieces: 2^53 − 1, so that JSON readers that hold
/// numbers as doubles (RFC 8259 section 6) see it exactly.
pub const MAX_BALANCE: i64 = (1 << 53) - 1;

/// What a user has, and ever had, of one item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holding {
    /// Pieces held now.
    pub quantity: i64,
    /// Pieces ever granted.
    pub granted_total: i64,
    /// Times ever used.
    pub used_total: i64,
}

impl Holding {
    /// The holding after a change of `delta` pieces to `balance`.
    pub(crate) fn changed(self, delta: i64, balance: i64) -> Self {
        // Quantities stay below 2^53, so the total cannot come near its end in practice; there it would stay, which
        // leaves it above zero for "once".
        let granted_total = self.granted_total.saturating_add(delta.max(0));
        Self { quantity: balance, granted_total, ..self }
    }
}

/// One user's holdings, as far as they were loaded. An item that is not in it is not held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    items: HashMap<ItemId, Holding>,
    /// What rules have given for, as far as it was loaded.
    once: HashSet<OnceKey>,
}

impl Holdings {
    /// The holding of `item_id`; all zero if there is none.
    #[must_use]
    pub fn get(&self, item_id: &ItemId) -> Holding {
        self.items.get(item_id).copied().unwrap_or_default()
    }

    /// How many holdings there are, with those of no pieces.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether there is a holding of `item_id`, were it of no pieces.
    #[must_use]
    pub fn has(&self, item_id: &ItemId) -> bool {
        self.items.contains_key(item_id)
    }

    /// Puts what was loaded for an item.
    pub fn insert(&mut self, item_id: ItemId, holding: Holding) {
        self.items.insert(item_id, holding);
    }

    /// Whether a rule has given for this before.
    #[must_use]
    pub fn has_once(&self, key: &OnceKey) -> bool {
        self.once.contains(key)
    }

    /// Puts what was loaded of what rules have given for.
    pub fn insert_once(&mut self, key: OnceKey) {
        self.once.insert(key);
    }

    /// Forgets what rules have given for, which is loaded for every batch.
    pub fn forget_once(&mut self) {
        self.once = HashSet::new();
    }

    /// Adds others.
    pub fn extend(&mut self, others: Self) {
        self.items.extend(others.items);
        self.once.extend(others.once);
    }

    /// Takes over what a plan decided.
    pub fn apply(&mut self, plan: &Plan) {
        for Change { item_id, delta, balance, .. } in &plan.changes {
            let holding = self.items.entry(item_id.clone()).or_default();
            *holding = holding.changed(*delta, *balance);
        }
        self.once.extend(plan.once.iter().cloned());
        if let Some(used) = &plan.used {
            let holding = self.items.entry(used.item_id.clone()).or_default();
            holding.used_total = holding.used_total.saturating_add(used.times);
        }
    }

    /// Each item and its holding, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&ItemId, &Holding)> {
        self.items.iter()
    }
}
