//! A user of a batch: what is known of it, and what the batch has done to it so far.

use std::collections::HashMap;

use crate::decide::PartyPlan;
use crate::facts::{Facts, Holding};
use crate::ids::{ItemId, UserKey};
use crate::ledger::Head;

/// See the module.
#[derive(Debug)]
pub struct UserState {
    /// Where its rows are.
    pub key: UserKey,
    /// Where its ledger ends.
    pub head: Head,
    /// Where it ended before the batch.
    found_at: i64,
    /// What is known of it.
    pub facts: Facts,
    touched: HashMap<ItemId, Touch>,
}

/// What the batch did to a holding.
#[derive(Debug, Clone, Copy)]
struct Touch {
    /// How many pieces there were before; `None` if there was no such holding.
    found: Option<i64>,
    granted: bool,
    used: bool,
}

/// A holding as a batch leaves it.
#[derive(Debug, Clone, Copy)]
pub struct HoldingChange<'a> {
    /// Whose.
    pub user: UserKey,
    /// Of what.
    pub item_id: &'a ItemId,
    /// What it is now.
    pub holding: Holding,
    /// How many pieces there were before; `None` if there was no such holding.
    pub found: Option<i64>,
    /// Whether the batch granted some.
    pub granted: bool,
    /// Whether the batch used it.
    pub used: bool,
}

impl UserState {
    /// One as it was found.
    #[must_use]
    pub fn new(key: UserKey, head: Head, facts: Facts) -> Self {
        Self { key, head, found_at: head.version, facts, touched: HashMap::new() }
    }

    /// Whether its ledger has grown.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        self.head.version != self.found_at
    }

    /// The holdings that the batch changed.
    pub fn changes(&self) -> impl Iterator<Item = HoldingChange<'_>> {
        self.touched.iter().map(move |(item_id, touch)| {
            let Touch { found, granted, used } = *touch;
            HoldingChange { user: self.key, item_id, holding: self.facts.holdings.get(item_id), found, granted, used }
        })
    }

    /// Takes over what a job does to it.
    pub(super) fn follow(&mut self, plan: &PartyPlan) {
        for change in &plan.changes {
            self.touch(&change.item_id).granted |= change.delta > 0;
            self.facts.holdings.change(&change.item_id, change.delta, change.balance);
        }
        if let Some(used) = &plan.used {
            self.touch(&used.item_id).used = true;
            self.facts.holdings.count_uses(&used.item_id, used.times);
        }
        self.facts.write(&plan.writes);
    }

    /// Notes that the batch changes a holding, which is so far as in `facts`.
    fn touch(&mut self, item_id: &ItemId) -> &mut Touch {
        let holdings = &self.facts.holdings;
        let first =
            || Touch { found: holdings.find(item_id).map(|holding| holding.quantity), granted: false, used: false };
        self.touched.entry(item_id.clone()).or_insert_with(first)
    }
}
