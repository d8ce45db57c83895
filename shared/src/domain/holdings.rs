//! What one user has.

use std::collections::HashMap;

use super::{Change, ItemId, Plan};

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
    pub(super) fn changed(self, delta: i64, balance: i64) -> Self {
        // Quantities stay below 2^53, so the total cannot come near its end in practice; there it would stay, which
        // leaves it above zero for "once".
        let granted_total = self.granted_total.saturating_add(delta.max(0));
        Self { quantity: balance, granted_total, ..self }
    }
}

/// One user's holdings, as far as they were loaded. An item that is not in it is not held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings(HashMap<ItemId, Holding>);

impl Holdings {
    /// The holding of `item_id`; all zero if there is none.
    #[must_use]
    pub fn get(&self, item_id: &ItemId) -> Holding {
        self.0.get(item_id).copied().unwrap_or_default()
    }

    /// How many holdings there are, with those of no pieces.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a holding of `item_id`, were it of no pieces.
    #[must_use]
    pub fn has(&self, item_id: &ItemId) -> bool {
        self.0.contains_key(item_id)
    }

    /// Puts what was loaded for an item.
    pub fn insert(&mut self, item_id: ItemId, holding: Holding) {
        self.0.insert(item_id, holding);
    }

    /// Adds others.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Takes over what a plan decided.
    pub fn apply(&mut self, plan: &Plan) {
        for Change { item_id, delta, balance, .. } in &plan.changes {
            let holding = self.0.entry(item_id.clone()).or_default();
            *holding = holding.changed(*delta, *balance);
        }
        if let Some(used) = &plan.used {
            let holding = self.0.entry(used.item_id.clone()).or_default();
            holding.used_total = holding.used_total.saturating_add(used.times);
        }
    }

    /// Each item and its holding, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&ItemId, &Holding)> {
        self.0.iter()
    }
}
