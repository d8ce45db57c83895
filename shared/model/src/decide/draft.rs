//! A plan in the making: what a job takes and gives, worked out on top of the user's holdings.
//!
//! Nothing in the holdings changes until the whole job is known to succeed; a rejection just drops
//! the draft. That makes a use and all it gives one atomic outcome.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Change, Rejection, RejectionCode};
use crate::catalogue::ItemQuantity;
use crate::catalogue::{Catalogue, GrantPolicy, Overflow};
use crate::facts::{Holding, Holdings, MAX_BALANCE, OnceKey};
use crate::ids::ItemId;

/// See the module.
pub struct Draft<'a> {
    holdings: &'a Holdings,
    catalogue: &'a Catalogue,
    changes: Vec<Change>,
    /// The holdings that the changes have touched, as they leave them.
    touched: HashMap<ItemId, Holding>,
    /// What rules have given for, and give for no more.
    once: Vec<OnceKey>,
}

/// What came of a grant. Where the item's policy holds back a part, both fields are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantOutcome {
    /// What the user got.
    pub granted: Option<Granted>,
    /// What the user did not get, and why.
    pub skipped: Option<Skipped>,
}

/// Pieces that a user got, and has after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Granted {
    /// The item.
    pub item_id: ItemId,
    /// How many pieces.
    pub quantity: i64,
    /// How many it has then.
    pub balance: i64,
}

/// Pieces that a user did not get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    /// The item.
    pub item_id: ItemId,
    /// How many, where only a part was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<i64>,
    /// Why.
    pub reason: SkipReason,
}

/// Why a grant was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The user has it (`unique`) or once had it (`once`).
    AlreadyGranted,
    /// The stack is full (`overflow: clamp`).
    StackLimit,
}

impl<'a> Draft<'a> {
    /// An empty draft on these holdings.
    #[must_use]
    pub fn new(holdings: &'a Holdings, catalogue: &'a Catalogue) -> Self {
        Self { holdings, catalogue, changes: Vec::new(), touched: HashMap::new(), once: Vec::new() }
    }

    /// The holding of an item as it would be after the draft's changes so far.
    #[must_use]
    pub fn holding(&self, item_id: &ItemId) -> Holding {
        self.touched.get(item_id).copied().unwrap_or_else(|| self.holdings.get(item_id))
    }

    /// Takes pieces away. Taking none is no change.
    ///
    /// # Errors
    /// `insufficient_quantity` if there are fewer.
    pub fn take(&mut self, item_id: &ItemId, pieces: i64, cause: Option<&str>) -> Result<i64, Rejection> {
        let held = self.holding(item_id).quantity;
        if held < pieces {
            return Err(insufficient(item_id, held, pieces));
        }
        self.change(item_id, -pieces, held - pieces, cause);
        Ok(held - pieces)
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
        let held = self.holding(item_id);
        if definition.retired {
            let message = format!("the item {item_id} is retired and no longer granted");
            return Err(Rejection::of_item(RejectionCode::UnknownItem, item_id, held.quantity, message));
        }
        let (room, reason) = match &definition.grant {
            GrantPolicy::Once => (i64::from(held.granted_total == 0), SkipReason::AlreadyGranted),
            GrantPolicy::Unique => (i64::from(held.quantity == 0), SkipReason::AlreadyGranted),
            GrantPolicy::Stack { max_stack, overflow } => {
                let limit = max_stack.unwrap_or(MAX_BALANCE);
                // A lowered maxStack can leave a user above it.
                let room = (limit - held.quantity).max(0);
                if room < wanted && (*overflow == Overflow::Reject || max_stack.is_none()) {
                    return Err(stack_limit(item_id, held.quantity, wanted, limit));
                }
                (room, SkipReason::StackLimit)
            }
        };
        let given = wanted.min(room);
        let balance = held.quantity + given;
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

    /// What it is drafted by.
    pub(super) fn catalogue(&self) -> &'a Catalogue {
        self.catalogue
    }

    /// Whether a rule has given for this before.
    pub(super) fn has_once(&self, key: &OnceKey) -> bool {
        self.once.contains(key) || self.holdings.has_once(key)
    }

    /// Notes that a rule has given.
    pub(super) fn note_once(&mut self, key: Option<OnceKey>) {
        self.once.extend(key);
    }

    /// Drafts something that may fail by itself: then the draft is as before.
    pub(super) fn attempt<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Rejection>) -> Result<T, Rejection> {
        let (changes, touched) = (self.changes.len(), self.touched.clone());
        work(self).inspect_err(|_| {
            self.changes.truncate(changes);
            self.touched = touched;
        })
    }

    /// The changes, in order, and what rules have given for.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Change>, Vec<OnceKey>) {
        (self.changes, self.once)
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

impl Skipped {
    /// That a use is refused which takes something and would give nothing, this first of all.
    #[must_use]
    pub fn refusal(&self, used: &ItemId, held: i64) -> Rejection {
        let item_id = &self.item_id;
        let (code, why) = match self.reason {
            SkipReason::AlreadyGranted => (RejectionCode::AlreadyGranted, "was granted already"),
            SkipReason::StackLimit => (RejectionCode::StackLimit, "is at its limit"),
        };
        let message = format!("using {used} would give nothing: {item_id} {why}, {held} held");
        Rejection::of_item(code, item_id, held, message)
    }
}

/// The user has `held` pieces of an item and needs `needed`.
#[must_use]
pub fn insufficient(item_id: &ItemId, held: i64, needed: i64) -> Rejection {
    let message = format!("{needed} of {item_id} needed, {held} held");
    Rejection::of_item(RejectionCode::InsufficientQuantity, item_id, held, message)
}

fn stack_limit(item_id: &ItemId, held: i64, wanted: i64, limit: i64) -> Rejection {
    let message = format!("{wanted} more of {item_id} would exceed its limit of {limit}, {held} held");
    Rejection::of_item(RejectionCode::StackLimit, item_id, held, message)
}
