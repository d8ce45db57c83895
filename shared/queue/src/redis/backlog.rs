//! Which normal entries each player has behind those that a look shows: read onward only when there are high entries
//! whose order hangs on it.
//!
//! What it says of the entries up to where it has come stays true: none is ever added there. An entry that has gone
//! since is found gone when it is fetched.

use std::collections::{HashMap, HashSet, VecDeque};

use satchel_model::ids::Shard;

use super::connection::Connection;
use super::page::{Page, id_of};
use super::streams;
use crate::entry::EntryId;
use crate::order::Standing;
use crate::{Entry, QueueError};

/// How many entries one look onward reads.
const PAGE_ENTRIES: usize = 2_000;
/// How many looks onward one read takes, in all.
const MAX_PAGES_PER_READ: usize = 10;
/// How many entries one lane remembers at most. High jobs behind a longer backlog wait until it is shorter.
const MAX_REMEMBERED_ENTRIES: usize = 100_000;

/// See the module.
#[derive(Default)]
pub(super) struct Backlog {
    shards: HashMap<Shard, Known>,
}

/// What is known of one shard.
#[derive(Default)]
struct Known {
    by_user: HashMap<String, VecDeque<EntryId>>,
    entries: usize,
    /// Those of them that are done, out of their turn.
    gone: HashSet<EntryId>,
    /// Up to which entry.
    covered: EntryId,
}

impl Backlog {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.shards.clear();
    }

    /// Whether nothing is known of any shard.
    pub(super) fn is_empty(&self) -> bool {
        self.shards.is_empty()
    }

    /// Forgets all shards but these.
    pub(super) fn keep(&mut self, shards: &[Shard]) {
        if !self.shards.is_empty() {
            let kept: HashSet<_> = shards.iter().collect();
            self.shards.retain(|shard, _| kept.contains(shard));
        }
    }

    /// A player's normal entries behind `from`, up to and with `to`; none if it is not known that far.
    pub(super) fn earlier(&self, shard: Shard, user: &str, from: EntryId, to: EntryId) -> Option<Vec<EntryId>> {
        let known = self.shards.get(&shard).filter(|known| known.covered >= to)?;
        let ids = known.by_user.get(user).into_iter().flatten();
        Some(ids.copied().filter(|id| *id > from && *id <= to && !known.gone.contains(id)).collect())
    }

    /// Notes a normal entry that has gone.
    pub(super) fn forget(&mut self, shard: Shard, gone: EntryId) {
        if let Some(known) = self.shards.get_mut(&shard).filter(|known| known.covered >= gone) {
            known.gone.insert(gone);
        }
    }

    /// Reads on where high entries of a page hang on it, as far as the bounds allow.
    pub(super) async fn extend(
        &mut self,
        connection: &Connection,
        standings: &[(&Page, Standing)],
    ) -> Result<(), QueueError> {
        let mut looks = 0;
        for (page, standing) in standings {
            let Some(reach) = standing.reach() else { continue };
            let known = self.shards.entry(page.shard).or_default();
            known.drop_before(page.normals.first().map(id_of).unwrap_or_default());
            known.absorb(&page.normals);
            while self.has_come_to(page.shard) < reach && looks < MAX_PAGES_PER_READ && self.has_room(page.shard) {
                looks += 1;
                let from = self.has_come_to(page.shard);
                let entries = streams::read_normal(connection, page.shard, from, PAGE_ENTRIES).await?;
                let known = self.shards.entry(page.shard).or_default();
                known.absorb(&entries);
                if entries.len() < PAGE_ENTRIES {
                    // There is no more, and none can be added before entries that came later.
                    known.covered = known.covered.max(reach);
                }
            }
        }
        Ok(())
    }

    fn has_come_to(&self, shard: Shard) -> EntryId {
        self.shards.get(&shard).map(|known| known.covered).unwrap_or_default()
    }

    /// Whether another look may be remembered; other shards make room if need be.
    fn has_room(&mut self, shard: Shard) -> bool {
        let entries = |shards: &HashMap<Shard, Known>| shards.values().map(|known| known.entries).sum::<usize>();
        if entries(&self.shards) + PAGE_ENTRIES > MAX_REMEMBERED_ENTRIES {
            self.shards.retain(|other, _| *other == shard);
        }
        entries(&self.shards) + PAGE_ENTRIES <= MAX_REMEMBERED_ENTRIES
    }
}

impl Known {
    /// Takes in entries that follow what is known, or what is known already.
    fn absorb(&mut self, entries: &[Entry]) {
        for entry in entries {
            let id = id_of(entry);
            if id > self.covered {
                self.covered = id;
                if let Some(user) = entry.peek_user() {
                    self.by_user.entry(user).or_default().push_back(id);
                    self.entries += 1;
                }
            }
        }
    }

    /// Forgets entries that were done in their turn.
    fn drop_before(&mut self, first: EntryId) {
        self.gone.retain(|id| *id >= first);
        self.by_user.retain(|_, ids| {
            while ids.pop_front_if(|id| *id < first).is_some() {
                self.entries -= 1;
            }
            !ids.is_empty()
        });
    }
}
