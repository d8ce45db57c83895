//! What a lane remembers of users' holdings from one batch to the next, so that it need not read them again.
//!
//! As long as the lane holds the lease of a user's shard, nobody else changes that user's holdings. What was remembered
//! counts only under the same lease and at the same version of the user, and what a batch writes is compared with
//! what is there ([`satchel_store::progress::write`]): it fails where somebody changed a holding by hand.

use std::collections::HashMap;

use satchel_model::facts::{Facts, Holdings};
use satchel_model::fold::UserState;
use satchel_model::ids::{UserId, UserKey};
use satchel_model::ledger::Head;
use satchel_store::leases::Lease;

/// How many users and holdings a lane remembers, together. Beyond that it begins anew.
const MAX_REMEMBERED: usize = 50_000;

/// See the module.
#[derive(Default)]
pub(crate) struct HoldingsCache {
    users: HashMap<UserId, Remembered>,
    /// Users and their holdings.
    size: usize,
}

struct Remembered {
    lease: Lease,
    key: UserKey,
    head: Head,
    holdings: Holdings,
}

impl Remembered {
    fn size(&self) -> usize {
        self.holdings.len().saturating_add(1)
    }
}

impl HoldingsCache {
    /// What is remembered of a user. It is forgotten with that: only a batch that was committed gives it back.
    pub(crate) fn take(&mut self, user_id: &UserId, lease: Lease, version: i64) -> Holdings {
        let Some(remembered) = self.users.remove(user_id) else { return Holdings::default() };
        self.size -= remembered.size();
        let is_valid = remembered.lease == lease && remembered.head.version == version;
        if is_valid { remembered.holdings } else { Holdings::default() }
    }

    /// The user as it is remembered. It is forgotten with that.
    pub(super) fn recall(&mut self, user_id: &UserId, lease: Lease) -> Option<UserState> {
        let remembered = self.users.remove(user_id)?;
        self.size -= remembered.size();
        let Remembered { lease: under, key, head, holdings } = remembered;
        (under == lease).then(|| UserState::new(key, head, Facts { holdings, ..Facts::default() }))
    }

    /// Remembers a user as a committed batch has left it.
    pub(crate) fn keep(&mut self, user_id: UserId, lease: Lease, user: UserState) {
        let UserState { key, head, facts: Facts { holdings, .. }, .. } = user;
        let remembered = Remembered { lease, key, head, holdings };
        let size = remembered.size();
        if self.size + size > MAX_REMEMBERED {
            self.users.clear();
            self.size = 0;
        }
        if size <= MAX_REMEMBERED {
            self.size += size;
            self.users.insert(user_id, remembered);
        }
    }
}

#[cfg(test)]
mod tests {
    use satchel_model::facts::Holding;
    use satchel_model::ids::{ItemId, Shard, Uid};

    use super::*;

    const KEY: UserKey = UserKey { shard: Shard::new(1), uid: Uid::new(5) };
    const LEASE: Lease = Lease { shard: Shard::new(1), epoch: 7 };

    fn user_id(text: &str) -> UserId {
        UserId::parse(text).unwrap()
    }

    fn user(version: i64, items: usize) -> UserState {
        let mut holdings = Holdings::default();
        for number in 0..items {
            holdings.put(ItemId::parse(&format!("item-{number}")).unwrap(), Some(Holding::default()));
        }
        UserState::new(KEY, Head { version, ..Head::GENESIS }, Facts { holdings, ..Facts::default() })
    }

    #[test]
    fn what_was_kept_counts_once_under_the_same_lease_and_version() {
        let mut cache = HoldingsCache::default();
        let mut taken = |lease, version| {
            cache.keep(user_id("u1"), LEASE, user(3, 2));
            let holdings = cache.take(&user_id("u1"), lease, version);
            assert_eq!(cache.take(&user_id("u1"), LEASE, 3), Holdings::default());
            holdings.len()
        };
        assert_eq!(taken(LEASE, 3), 2);
        assert_eq!(taken(LEASE, 4), 0);
        assert_eq!(taken(Lease { epoch: 8, ..LEASE }, 3), 0);
    }

    #[test]
    fn it_begins_anew_where_it_would_become_too_much() {
        let mut cache = HoldingsCache::default();
        cache.keep(user_id("u1"), LEASE, user(1, 2));
        cache.keep(user_id("u2"), LEASE, user(1, MAX_REMEMBERED - 3));
        assert_eq!((cache.users.len(), cache.size), (1, MAX_REMEMBERED - 2));
        // One that has nothing takes its place as well.
        cache.keep(user_id("u3"), LEASE, user(1, 0));
        cache.keep(user_id("u4"), LEASE, user(1, 0));
        assert_eq!((cache.users.len(), cache.size), (3, MAX_REMEMBERED));
        cache.keep(user_id("u5"), LEASE, user(1, MAX_REMEMBERED));
        assert_eq!((cache.users.len(), cache.size), (0, 0));
    }
}
