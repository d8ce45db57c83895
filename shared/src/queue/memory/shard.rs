//! One shard in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};

use crate::domain::{JobId, Priority, Shard, UserId};
use crate::envelope::{Envelope, EnvelopeKey};
use crate::queue::entry::EntryId;
use crate::queue::order::{High, Normal, Standing, Turn};
use crate::queue::{Depth, Entry};

/// The entries of one shard, of both classes, and its delayed jobs.
#[derive(Default)]
pub(super) struct MemoryShard {
    normals: BTreeMap<EntryId, Waiting>,
    highs: BTreeMap<EntryId, Waiting>,
    /// The normal entries of each player.
    by_user: HashMap<UserId, BTreeSet<EntryId>>,
    /// By when they are due, then by when they came.
    delayed: BTreeMap<(DateTime<Utc>, u64), Sealed>,
    delayed_ids: HashSet<JobId>,
    arrivals: u64,
    last: EntryId,
}

struct Waiting {
    entry: Entry,
    job_id: JobId,
    user_id: UserId,
}

/// A job that can be appended.
pub(super) struct Sealed {
    job_id: JobId,
    user_id: UserId,
    class: Priority,
    not_before: Option<DateTime<Utc>>,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Sealed {
    pub(super) fn of(key: &EnvelopeKey, envelope: &Envelope) -> Self {
        let sealed = key.seal(envelope);
        let field = |name: &str, value: Vec<u8>| (name.as_bytes().to_vec(), value);
        Self {
            job_id: envelope.job_id,
            user_id: envelope.job.user_id.clone(),
            class: envelope.job.priority,
            not_before: envelope.job.not_before,
            fields: vec![
                field("v", sealed.version.to_string().into_bytes()),
                field("body", sealed.body),
                field("mac", sealed.mac),
            ],
        }
    }
}

impl MemoryShard {
    /// Appends a job, or lays it aside until it is due. The same delayed job twice is one job: whether it is more now.
    pub(super) fn add(&mut self, shard: Shard, job: Sealed, now: DateTime<Utc>) -> bool {
        let Some(due_at) = job.not_before.filter(|not_before| *not_before > now) else {
            self.append(shard, job, now);
            return true;
        };
        let is_new = self.delayed_ids.insert(job.job_id);
        if is_new {
            self.arrivals += 1;
            self.delayed.insert((due_at, self.arrivals), job);
        }
        is_new
    }

    /// Appends the delayed jobs that are due, at most `max_jobs`. How many.
    pub(super) fn promote(&mut self, shard: Shard, max_jobs: usize, now: DateTime<Utc>) -> usize {
        let mut moved = 0;
        while moved < max_jobs
            && let Some(first) = self.delayed.first_entry()
            && first.key().0 <= now
        {
            let job = first.remove();
            self.delayed_ids.remove(&job.job_id);
            self.append(shard, job, now);
            moved += 1;
        }
        moved
    }

    fn append(&mut self, shard: Shard, mut job: Sealed, now: DateTime<Utc>) {
        let id = EntryId(u64::try_from(now.timestamp_millis()).unwrap_or_default(), 0);
        let id = if id > self.last { id } else { EntryId(self.last.0, self.last.1 + 1) };
        if job.class == Priority::High {
            // Ids grow over both classes: whatever is normal and came before has a smaller one.
            job.fields.push((b"after".to_vec(), self.last.to_string().into_bytes()));
        } else {
            self.by_user.entry(job.user_id.clone()).or_default().insert(id);
        }
        self.last = id;
        let entry = Entry::new(shard, job.class, id.to_string(), job.fields);
        self.stream(job.class).insert(id, Waiting { entry, job_id: job.job_id, user_id: job.user_id });
    }

    /// Deletes an entry; whether it was there.
    pub(super) fn remove(&mut self, class: Priority, id: &str) -> bool {
        let Some(id) = EntryId::parse(id) else { return false };
        let Some(gone) = self.stream(class).remove(&id) else { return false };
        if let Some(ids) = self.by_user.get_mut(&gone.user_id) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_user.remove(&gone.user_id);
            }
        }
        true
    }

    fn stream(&mut self, class: Priority) -> &mut BTreeMap<EntryId, Waiting> {
        match class {
            Priority::Normal => &mut self.normals,
            Priority::High => &mut self.highs,
        }
    }

    /// Whether an entry of the job waits.
    pub(super) fn has(&self, job_id: JobId) -> bool {
        self.normals.values().chain(self.highs.values()).any(|waiting| waiting.job_id == job_id)
    }

    /// How many entries wait.
    pub(super) fn waiting(&self) -> usize {
        self.normals.len() + self.highs.len()
    }

    /// The next entries to apply, in order, at most `max_entries`.
    pub(super) fn next(&self, max_entries: usize) -> Vec<Entry> {
        if self.highs.is_empty() {
            return self.normals.values().take(max_entries).map(|waiting| waiting.entry.clone()).collect();
        }
        let standing = self.standing(max_entries);
        let turns = standing.order(|user, from, to| {
            let ids = UserId::parse(user).ok().and_then(|user_id| self.by_user.get(&user_id));
            Some(ids.into_iter().flatten().copied().filter(|id| *id > from && *id <= to).collect())
        });
        let high_ids: Vec<EntryId> = self.highs.keys().take(max_entries).copied().collect();
        let found = turns.into_iter().take(max_entries).filter_map(|turn| match turn {
            Turn::Normal(index) => self.normals.get(&standing.normals.get(index)?.id),
            Turn::Pulled(id) => self.normals.get(&id),
            Turn::High(index) => self.highs.get(high_ids.get(index)?),
        });
        found.map(|waiting| waiting.entry.clone()).collect()
    }

    fn standing(&self, max_entries: usize) -> Standing {
        let user = |waiting: &Waiting| Some(waiting.user_id.to_string());
        let normals = self.normals.iter().take(max_entries);
        let highs = self.highs.values().take(max_entries);
        Standing {
            normals: normals.map(|(id, waiting)| Normal { id: *id, user: user(waiting) }).collect(),
            has_all_normals: self.normals.len() <= max_entries,
            highs: highs.map(|waiting| High { after: waiting.entry.after(), user: user(waiting) }).collect(),
            has_all_highs: self.highs.len() <= max_entries,
        }
    }

    /// The first entry of each class.
    pub(super) fn heads(&self) -> impl Iterator<Item = Entry> {
        let heads = [self.highs.values().next(), self.normals.values().next()];
        heads.into_iter().flatten().map(|waiting| waiting.entry.clone())
    }

    /// How much waits.
    pub(super) fn depth(&self, shard: Shard, now: DateTime<Utc>) -> Depth {
        let first = self.normals.keys().next().into_iter().chain(self.highs.keys().next()).min();
        let now_ms = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        Depth {
            shard,
            waiting: count(self.waiting()),
            delayed: count(self.delayed.len()),
            oldest_waiting_ms: first.map(|id| now_ms.saturating_sub(id.0)),
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
