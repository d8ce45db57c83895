//! What a batch can touch, as the transaction sees it, and what it decides by.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use satchel_model::catalogue::Catalogue;
use satchel_model::facts::Holdings;
use satchel_model::ids::{ItemId, JobId, UserId};
use satchel_store::inventory::Written;
use satchel_store::jobs::JobRecord;
use satchel_store::users::Head;

/// See the module.
pub(crate) struct World<'c> {
    /// Those of the batch's jobs that were decided before.
    pub(crate) decided: HashMap<JobId, Arc<JobRecord>>,
    /// The batch's users.
    pub(crate) users: HashMap<UserId, User>,
    /// The catalogue in force.
    pub(crate) catalogue: &'c Catalogue,
    /// Its version.
    pub(crate) catalogue_version: i64,
    /// The database's clock, once for the whole batch.
    pub(crate) now: DateTime<Utc>,
    /// How often this batch was tried, this time included.
    pub(crate) attempts: i32,
}

/// A user of the batch.
#[derive(Default)]
pub(crate) struct User {
    /// Where its ledger ends.
    pub(crate) head: Head,
    /// Where it ended before the batch.
    found_at: i64,
    /// Its holdings of the items that the batch can touch.
    pub(crate) holdings: Holdings,
    touched: HashMap<ItemId, Touch>,
}

/// What the batch did to a holding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Touch {
    /// How many pieces there were before; `None` if there was no such holding.
    found: Option<i64>,
    pub(crate) granted: bool,
    pub(crate) used: bool,
}

impl User {
    /// One as it was found.
    pub(crate) fn new(head: Head, holdings: Holdings) -> Self {
        Self { head, found_at: head.version, holdings, touched: HashMap::new() }
    }

    /// Notes that the batch changes a holding, which is so far as in `holdings`.
    pub(crate) fn touch(&mut self, item_id: &ItemId) -> &mut Touch {
        let holdings = &self.holdings;
        let found = || holdings.has(item_id).then(|| holdings.get(item_id).quantity);
        let first = || Touch { found: found(), granted: false, used: false };
        self.touched.entry(item_id.clone()).or_insert_with(first)
    }

    /// Whether its ledger has grown.
    pub(crate) fn has_moved(&self) -> bool {
        self.head.version != self.found_at
    }

    /// The holdings that the batch changed.
    pub(crate) fn written<'u>(&'u self, user_id: &'u UserId) -> impl Iterator<Item = Written<'u>> {
        self.touched.iter().map(move |(item_id, touch)| {
            let Touch { found, granted, used } = *touch;
            Written { user_id, item_id, holding: self.holdings.get(item_id), found, granted, used }
        })
    }
}
