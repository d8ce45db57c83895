//! One user's side of a draft: what the job takes and gives, on top of what the user has.

use std::cell::Cell;
use std::collections::HashMap;

use super::{Change, GrantOutcome, Granted, PartyPlan, SkipReason, Skipped, Used};
use crate::catalogue::{Catalogue, GrantPolicy, ItemQuantity, Overflow};
use crate::facts::{Facts, Holding, Kind, MAX_BALANCE, Writes};
use crate::ids::{ItemId, UserId};
use crate::rejection::{Rejection, RejectionCode};

/// See the module.
pub struct Party<'a> {
    user_id: &'a UserId,
    facts: &'a Facts,
    catalogue: &'a Catalogue,
    changes: Vec<Change>,
    /// The holdings that the changes have touched, as they leave them.
    touched: HashMap<ItemId, Holding>,
    used: Option<Used>,
    writes: Writes,
    /// Whether something was looked at that nobody has read: then nothing of the draft counts.
    is_unread: Cell<bool>,
}

impl<'a> Party<'a> {
    pub(super) fn new(user_id: &'a UserId, facts: &'a Facts, catalogue: &'a Catalogue) -> Self {
        Self {
            user_id,
            facts,
            catalogue,
            changes: Vec::new(),
            touched: HashMap::new(),
            used: None,
            writes: Writes::default(),
            is_unread: Cell::new(false),
        }
    }

    /// Who it is.
    #[must_use]
    pub fn user_id(&self) -> &'a UserId {
        self.user_id
    }

    /// The holding of an item as it would be after the draft's changes so far.
    #[must_use]
    pub fn holding(&self, item_id: &ItemId) -> Holding {
        self.touched.get(item_id).copied().unwrap_or_else(|| self.holding_before(item_id))
    }

    /// The holding of an item as it was before the job.
    #[must_use]
    pub fn holding_before(&self, item_id: &ItemId) -> Holding {
        if !self.facts.holdings.is_known(item_id) {
            self.is_unread.set(true);
        }
        self.facts.holdings.get(item_id)
    }

    /// A fact as it would be after what the draft has written so far.
    #[must_use]
    pub fn fact<F: Kind>(&self, key: &F::Key) -> F::Value {
        let mut written = F::written(&self.writes).iter().rev();
        if let Some((_, value)) = written.find(|(written, _)| written == key) {
            return value.clone();
        }
        F::known(self.facts).get(key).cloned().unwrap_or_else(|| {
            self.is_unread.set(true);
            F::Value::default()
        })
    }

    /// Writes a fact.
    pub fn set<F: Kind>(&mut self, key: F::Key, value: F::Value) {
        F::written_mut(&mut self.writes).push((key, value));
    }

    /// Takes pieces away. Taking none is no change.
    ///
    /// # Errors
    /// `insufficient_quantity` if there are fewer.
    pub fn take(&mut self, item_id: &ItemId, pieces: i64, cause: Option<&str>) -> Result<i64, Rejection> {
        let had = self.holding(item_id).quantity;
        if had < pieces {
            return Err(Rejection::insufficient(item_id, had, pieces));
        }
        self.change(item_id, -pieces, had - pieces, cause);
        Ok(had - pieces)
    }

    /// Gives pieces as the item's grant policy allows. Having something already is no rejection.
    ///
    /// # Errors
    /// `unknown_item` if the catalogue lacks or retired the item; `stack_limit` if the stack is full and
    /// its overflow is `reject`.
    pub fn grant(&mut self, item: &ItemQuantity, cause: Option<&str>) -> Result<GrantOutcome, Rejection> {
        let ItemQuantity { item_id, quantity } = item;
        let wanted = quantity.get();
        let definition = self.catalogue.get(item_id).ok_or_else(|| Rejection::unknown_item(item_id))?;
        let has = self.holding(item_id);
        if definition.retired {
            let message = format!("the item {item_id} is retired and no longer granted");
            return Err(Rejection::of_item(RejectionCode::UnknownItem, item_id, has.quantity, message));
        }
        let (room, reason) = match &definition.grant {
            GrantPolicy::Once => (i64::from(has.granted_total == 0), SkipReason::AlreadyGranted),
            GrantPolicy::Unique => (i64::from(has.quantity == 0), SkipReason::AlreadyGranted),
            GrantPolicy::Stack { max_stack, overflow } => {
                let limit = max_stack.unwrap_or(MAX_BALANCE);
                // A lowered maxStack can leave a user above it.
                let room = (limit - has.quantity).max(0);
                if room < wanted && (*overflow == Overflow::Reject || max_stack.is_none()) {
                    return Err(stack_limit(item_id, has.quantity, wanted, limit));
                }
                (room, SkipReason::StackLimit)
            }
        };
        let given = wanted.min(room);
        let balance = has.quantity + given;
        self.change(item_id, given, balance, cause);
        let skipped = wanted - given;
        Ok(GrantOutcome {
            granted: (given > 0).then(|| Granted { item_id: item_id.clone(), quantity: given, balance }),
            skipped: (skipped > 0).then(|| Skipped {
                item_id: item_id.clone(),
                quantity: (given > 0 || reason == SkipReason::StackLimit).then_some(skipped),
                reason,
            }),
        })
    }

    /// Notes that the job uses an item.
    pub fn note_use(&mut self, item_id: &ItemId, times: i64) {
        self.used = Some(Used { item_id: item_id.clone(), times });
    }

    /// Drafts something that may fail by itself: then the party is as before.
    pub(super) fn attempt<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Rejection>) -> Result<T, Rejection> {
        let before = (self.changes.len(), self.touched.clone(), self.used.clone(), self.writes.clone());
        work(self).inspect_err(|_| {
            let changes;
            (changes, self.touched, self.used, self.writes) = before;
            self.changes.truncate(changes);
        })
    }

    /// What the job does to the user; `None` if something was looked at that nobody has read.
    pub(super) fn finish(self) -> Option<PartyPlan> {
        let Self { changes, used, writes, is_unread, .. } = self;
        (!is_unread.get()).then_some(PartyPlan { changes, used, writes })
    }

    fn change(&mut self, item_id: &ItemId, delta: i64, balance: i64, cause: Option<&str>) {
        if delta != 0 {
            let before = self.holding(item_id);
            self.touched.insert(item_id.clone(), before.changed(delta, balance));
            let cause = cause.map(ToOwned::to_owned);
            self.changes.push(Change { item_id: item_id.clone(), delta, balance, cause });
        }
    }
}

fn stack_limit(item_id: &ItemId, has: i64, wanted: i64, limit: i64) -> Rejection {
    let message = format!("{wanted} more of {item_id} would exceed its limit of {limit}, {has} held");
    Rejection::of_item(RejectionCode::StackLimit, item_id, has, message)
}
