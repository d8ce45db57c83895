//! What a use asks of its user: one file per rule, and one line for it in the list below, in the order in which they are checked.

mod list;

use chrono::{DateTime, Utc};

use super::reading::Reading;
use crate::facts::{Holding, Kind, Reads};
use crate::ids::{ItemId, UserId};
use crate::rejection::Rejection;

list::use_rules! {
    consume: Consume,
    requires: Requires,
}

/// A condition of a use, or its price. Serialises as the members of the catalogue's `use` that it is written as.
pub trait UseRule {
    /// Whether the rule makes a use cost something.
    fn takes(&self) -> bool {
        false
    }

    /// The other items that the rule names.
    fn references(&self) -> impl Iterator<Item = &ItemId> {
        std::iter::empty()
    }

    /// Asks for everything that [`UseRule::check`] may look at, but for the holding of the used item.
    fn reads<'a>(&self, usage: &Usage<'a>, reads: &mut Reads<'a>);

    /// Checks that the use is allowed, and takes what the rule takes.
    ///
    /// # Errors
    /// A [`Rejection`] that says what would satisfy the rule.
    fn check(&self, usage: &Usage<'_>, draft: &mut impl UseDraft) -> Result<(), Rejection>;
}

/// A use that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Usage<'a> {
    /// Who uses.
    pub user_id: &'a UserId,
    /// What.
    pub item_id: &'a ItemId,
    /// How many times.
    pub times: i64,
    /// The operation's name.
    pub operation: &'static str,
}

impl Usage<'_> {
    /// What the ledger names as the cause of all but the use itself.
    #[must_use]
    pub fn cause(&self) -> String {
        format!("{}:{}", self.operation, self.item_id)
    }
}

/// What a rule may look at and do.
pub trait UseDraft {
    /// The decision time.
    fn now(&self) -> DateTime<Utc>;
    /// What the user has of an item.
    fn holding(&self, item_id: &ItemId) -> Holding;
    /// Takes pieces from the user.
    ///
    /// # Errors
    /// `insufficient_quantity` if there are fewer.
    fn take(&mut self, item_id: &ItemId, pieces: i64, cause: Option<&str>) -> Result<i64, Rejection>;
    /// A fact of the user.
    fn fact<F: Kind>(&self, key: &F::Key) -> F::Value;
    /// Writes a fact of the user.
    fn set<F: Kind>(&mut self, key: F::Key, value: F::Value);
}
