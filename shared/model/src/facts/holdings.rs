//! What one user has.

use std::collections::HashMap;

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

/// One user's holdings, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// `None` where somebody has looked and found no holding.
    items: HashMap<ItemId, Option<Holding>>,
}

impl Holdings {
    /// The holding of `item_id`; all zero if there is none.
    #[must_use]
    pub fn get(&self, item_id: &ItemId) -> Holding {
        self.find(item_id).unwrap_or_default()
    }

    /// The holding of `item_id`, were it of no pieces; `None` if there is none.
    #[must_use]
    pub fn find(&self, item_id: &ItemId) -> Option<Holding> {
        self.items.get(item_id).copied().flatten()
    }

    /// Whether somebody has looked for a holding of `item_id`.
    #[must_use]
    pub fn is_known(&self, item_id: &ItemId) -> bool {
        self.items.contains_key(item_id)
    }

    /// How many items there are of which something is known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Puts what was found for an item.
    pub fn put(&mut self, item_id: ItemId, found: Option<Holding>) {
        self.items.insert(item_id, found);
    }

    /// Takes over a change of `delta` pieces to `balance`.
    pub(crate) fn change(&mut self, item_id: &ItemId, delta: i64, balance: i64) {
        self.update(item_id, |holding| holding.changed(delta, balance));
    }

    /// Takes over that an item was used so many times.
    pub(crate) fn count_uses(&mut self, item_id: &ItemId, times: i64) {
        self.update(item_id, |holding| Holding { used_total: holding.used_total.saturating_add(times), ..holding });
    }

    fn update(&mut self, item_id: &ItemId, change: impl FnOnce(Holding) -> Holding) {
        let after = Some(change(self.get(item_id)));
        match self.items.get_mut(item_id) {
            Some(known) => *known = after,
            None => self.put(item_id.clone(), after),
        }
    }
}
