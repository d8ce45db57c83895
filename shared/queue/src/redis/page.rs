//! What a look at a shard's two streams shows, from their beginnings.

use std::collections::HashMap;

use satchel_model::ids::Shard;
use satchel_model::operations::Priority;

use super::delayed::Snapshot;
use super::streams::{Run, Start};
use crate::Entry;
use crate::entry::EntryId;
use crate::order::{Due, High, Normal, Standing};

/// The beginnings of one shard's streams.
pub(super) struct Page {
    pub(super) shard: Shard,
    pub(super) normals: Vec<Entry>,
    pub(super) highs: Vec<Entry>,
    /// How many entries were asked for, of each class.
    pub(super) asked: usize,
    /// Delayed jobs that are due.
    pub(super) dues: Vec<Entry>,
    has_all_normals: bool,
    has_all_highs: bool,
    has_all_dues: bool,
}

impl Page {
    /// What a snapshot of a shard shows for which so many entries of each kind were asked.
    pub(super) fn of(shard: Shard, snapshot: Snapshot, asked: usize) -> Self {
        let Snapshot { highs, normals, dues } = snapshot;
        Self {
            shard,
            has_all_normals: normals.len() < asked,
            has_all_highs: highs.len() < asked,
            has_all_dues: dues.len() < asked,
            normals,
            highs,
            dues,
            asked,
        }
    }

    /// Whether its entries have another order than that of the normal stream.
    pub(super) fn is_mixed(&self) -> bool {
        !self.highs.is_empty() || !self.dues.is_empty()
    }

    /// The shard's entries as their order hangs on them.
    pub(super) fn standing(&self) -> Standing {
        let high = |entry: &Entry| High { id: id_of(entry), after: entry.after(), user: entry.peek_user() };
        let due = |entry: &Entry| Due { at_ms: entry.due_ms(), class: entry.class(), user: entry.peek_user() };
        Standing {
            normals: self.normals.iter().map(|entry| Normal { id: id_of(entry), user: entry.peek_user() }).collect(),
            has_all_normals: self.has_all_normals,
            highs: self.highs.iter().map(high).collect(),
            has_all_highs: self.has_all_highs,
            dues: self.dues.iter().map(due).collect(),
            has_all_dues: self.has_all_dues,
        }
    }

    /// Where to read on, if there may be more.
    fn rest(&self) -> Option<Start> {
        let last = |entries: &[Entry]| entries.last().map(id_of).unwrap_or_default();
        let rest = Start { shard: self.shard, normal: last(&self.normals), high: last(&self.highs) };
        (!self.has_all_normals || !self.has_all_highs).then_some(rest)
    }
}

/// The pages of one read.
#[derive(Default)]
pub(super) struct Pages {
    pub(super) pages: Vec<Page>,
    of_shard: HashMap<Shard, usize>,
}

impl Pages {
    /// How many entries there are.
    pub(super) fn entries(&self) -> usize {
        self.pages.iter().map(|page| page.normals.len() + page.highs.len()).sum()
    }

    /// When the last entry that was read of a shard was added, in milliseconds by its server's clock.
    pub(super) fn last_ms(&self, shard: Shard) -> u64 {
        let page = self.of_shard.get(&shard).and_then(|index| self.pages.get(*index));
        let last =
            page.map(|page| page.normals.last().into_iter().chain(page.highs.last()).map(|entry| id_of(entry).0));
        last.and_then(Iterator::max).unwrap_or_default()
    }

    /// Where to read on.
    pub(super) fn rests(&self) -> Vec<Start> {
        self.pages.iter().filter_map(Page::rest).collect()
    }

    /// Adds what reading on from `starts`, at most `count` of each class and shard, gave.
    pub(super) fn add(&mut self, starts: &[Start], count: usize, runs: Vec<Run>) {
        // Whatever is not full was read to its end; shards that had nothing need no page.
        for start in starts {
            if let Some(page) = self.of_shard.get(&start.shard).and_then(|index| self.pages.get_mut(*index)) {
                (page.has_all_normals, page.has_all_highs) = (true, true);
                page.asked += count;
            }
        }
        for run in runs {
            let is_full = run.entries.len() >= count;
            let Some(page) = self.page(run.shard, count) else { continue };
            let (entries, has_all) = match run.class {
                Priority::Normal => (&mut page.normals, &mut page.has_all_normals),
                Priority::High => (&mut page.highs, &mut page.has_all_highs),
            };
            entries.extend(run.entries);
            *has_all = !is_full;
        }
    }

    fn page(&mut self, shard: Shard, asked: usize) -> Option<&mut Page> {
        let index = *self.of_shard.entry(shard).or_insert_with(|| {
            let page = Page {
                shard,
                normals: Vec::new(),
                highs: Vec::new(),
                dues: Vec::new(),
                asked,
                has_all_normals: true,
                has_all_highs: true,
                has_all_dues: true,
            };
            self.pages.push(page);
            self.pages.len() - 1
        });
        self.pages.get_mut(index)
    }
}

/// An entry's id; Redis gives none that cannot be read.
pub(super) fn id_of(entry: &Entry) -> EntryId {
    EntryId::parse(&entry.id).unwrap_or_default()
}
