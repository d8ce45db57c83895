//! The kinds of state that decisions read and write, user by user: holdings, and beside them one file per kind, and one
//! line for it in the list below.
//!
//! Holdings are read and written in every batch; another kind costs a statement only in batches that have some of it.
//! A kind's statements are in `satchel_store`, in a file of the same name, its table in a migration, with what the worker's
//! role may do with it (`shared/store/tests/store/roles.rs` says it once more).

mod holdings;
mod kinds;

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;

use crate::ids::{ItemId, UserId};

pub use holdings::{Holding, Holdings, MAX_BALANCE};

kinds::kinds! {
    rule_grants: RuleGrant,
}

/// A kind of state.
pub trait Fact: Debug + Clone + Default + PartialEq {
    /// What tells a user's facts of this kind apart.
    type Key: Debug + Clone + Eq + Ord + Hash;
    /// What is kept for a key; the default is what a user has for whom nothing was written.
    type Value: Debug + Clone + Default + PartialEq;
    /// What a record calls a change of it: `{"change":[…]}`.
    const CHANGE: &'static str;

    /// What a record says of a change, as the text of a JSON array: the key's parts, and the new value where it is not always the same.
    fn said(key: &Self::Key, value: &Self::Value) -> String;
}

/// Where a kind of the list has its place in each of the list's types.
pub trait Kind: Fact {
    /// What is known of a user's.
    fn known(facts: &Facts) -> &Known<Self>;
    /// The same, to know more.
    fn known_mut(facts: &mut Facts) -> &mut Known<Self>;
    /// What is asked for.
    fn asked<'r, 'a>(reads: &'r Reads<'a>) -> &'r [(&'a UserId, Self::Key)];
    /// The same, to ask for more.
    fn asked_mut<'r, 'a>(reads: &'r mut Reads<'a>) -> &'r mut Vec<(&'a UserId, Self::Key)>;
    /// What a decision writes.
    fn written(writes: &Writes) -> &[Write<Self>];
    /// The same, to write more.
    fn written_mut(writes: &mut Writes) -> &mut Vec<Write<Self>>;
}

/// A fact that a decision writes.
pub type Write<F> = (<F as Fact>::Key, <F as Fact>::Value);

/// What is known of one user's facts of a kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Known<F: Fact>(HashMap<F::Key, F::Value>);

impl<F: Fact> Default for Known<F> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<F: Fact> Known<F> {
    /// What is kept for a key; `None` if nobody has looked.
    #[must_use]
    pub fn get(&self, key: &F::Key) -> Option<&F::Value> {
        self.0.get(key)
    }

    /// Puts what was found for a key, or the default where there is nothing.
    pub fn put(&mut self, key: F::Key, value: F::Value) {
        self.0.insert(key, value);
    }
}

impl<'a> Reads<'a> {
    /// Asks for what the user has of an item.
    pub fn holding(&mut self, user_id: &'a UserId, item_id: &ItemId) {
        self.holdings.push((user_id, item_id.clone()));
    }

    /// Asks for a fact.
    pub fn fact<F: Kind>(&mut self, user_id: &'a UserId, key: F::Key) {
        F::asked_mut(self).push((user_id, key));
    }

    /// Says that more is to be asked for once this is known.
    pub fn ask_again(&mut self) {
        self.is_open = true;
    }

    /// Whether somebody has said so.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn sort<T: Ord>(asked: &mut Vec<T>) {
    asked.sort_unstable();
    asked.dedup();
}
