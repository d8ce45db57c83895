//! One shard in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use satchel_model::ids::{JobId, Shard, UserId};
use satchel_model::operations::Envelope;
use satchel_model::operations::Priority;
use satchel_wire::envelope::{EnvelopeKey, parse_body};

use crate::entry::EntryId;
use crate::order::{Due, High, Normal, Standing, Turn};
use crate::{Depth, Entry, Place};

/// The entries of one shard, of both classes, and its delayed jobs.
#[derive(Default)]
pub(super) struct MemoryShard {
    normals: BTreeMap<EntryId, Waiting>,
    highs: BTreeMap<EntryId, Waiting>,
    /// The normal entries of each player.
    by_user: HashMap<UserId, BTreeSet<EntryId>>,
    /// By when they are due, then by when they came.
    delayed: BTreeMap<DelayedKey, Waiting>,
    delayed_ids: HashMap<JobId, DelayedKey>,
    arrivals: u64,
    last: EntryId,
}

/// When a delayed job is due, in milliseconds, and its number.
type DelayedKey = (i64, u64);

/// Whether a job comes for the first time, or because it was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    New,
    Again,
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
    /// One that was forgotten has the place of its time, though that be past.
    pub(super) fn add(&mut self, shard: Shard, job: Sealed, now: DateTime<Utc>, arrival: Arrival) -> bool {
        if self.delayed_ids.contains_key(&job.job_id) {
            return false;
        }
        match job.not_before {
            Some(due_at) if due_at > now || arrival == Arrival::Again => self.lay_aside(shard, job, due_at),
            _ => self.append(shard, job, now),
        }
        true
    }

    fn lay_aside(&mut self, shard: Shard, mut job: Sealed, due_at: DateTime<Utc>) {
        // In whole milliseconds, never earlier than said.
        let due_ms = due_at.timestamp_millis() + i64::from(!due_at.timestamp_subsec_micros().is_multiple_of(1_000));
        self.arrivals += 1;
        let key = (due_ms, self.arrivals);
        let class: &[u8] = if job.class == Priority::High { b"high" } else { b"normal" };
        job.fields.extend([(b"due".to_vec(), due_ms.to_string().into_bytes()), (b"class".to_vec(), class.to_vec())]);
        let entry = Entry::new(shard, Place::Delayed, format!("{}-{}", key.0, key.1), job.fields);
        self.delayed_ids.insert(job.job_id, key);
        self.delayed.insert(key, Waiting { entry, job_id: job.job_id, user_id: job.user_id });
    }

    /// The jobs that are due.
    fn due(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Waiting> {
        self.delayed.range(..=(now.timestamp_millis(), u64::MAX)).map(|(_, waiting)| waiting)
    }

    /// When the first job will be due that is not.
    pub(super) fn next_due(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (key, _) = self.delayed.range((now.timestamp_millis() + 1, 0)..).next()?;
        DateTime::from_timestamp_millis(key.0)
    }

    /// Takes a delayed job out; whether it was there.
    pub(super) fn withdraw(&mut self, job_id: JobId) -> bool {
        self.delayed_ids.remove(&job_id).is_some_and(|key| self.delayed.remove(&key).is_some())
    }

    fn remove_delayed(&mut self, id: &str) -> bool {
        let key = id.split_once('-').and_then(|(due, number)| Some((due.parse().ok()?, number.parse().ok()?)));
        let Some(gone) = key.and_then(|key: DelayedKey| self.delayed.remove(&key)) else { return false };
        self.delayed_ids.remove(&gone.job_id);
        true
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
        let entry = Entry::new(shard, Place::Stream(job.class), id.to_string(), job.fields);
        self.stream(job.class).insert(id, Waiting { entry, job_id: job.job_id, user_id: job.user_id });
    }

    /// Deletes an entry; whether it was there.
    pub(super) fn remove(&mut self, place: Place, id: &str) -> bool {
        let Place::Stream(class) = place else { return self.remove_delayed(id) };
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
        let mut streams = self.normals.values().chain(self.highs.values());
        self.delayed_ids.contains_key(&job_id) || streams.any(|waiting| waiting.job_id == job_id)
    }

    /// A job that waits, unless the journal knows it.
    pub(super) fn find(&self, job_id: JobId) -> Option<Envelope> {
        let mut all = self.normals.values().chain(self.highs.values()).chain(self.delayed.values());
        let sealed = all.find(|waiting| waiting.job_id == job_id)?.entry.sealed()?;
        parse_body(sealed.version, &sealed.body).ok().filter(|envelope| !envelope.journaled)
    }

    /// How many entries wait, and jobs that are due.
    pub(super) fn waiting(&self, now: DateTime<Utc>) -> usize {
        self.normals.len() + self.highs.len() + self.due(now).count()
    }

    /// The next entries to apply, in order, at most `max_entries`.
    pub(super) fn next(&self, max_entries: usize, now: DateTime<Utc>) -> Vec<Entry> {
        if self.highs.is_empty() && self.due(now).next().is_none() {
            return self.normals.values().take(max_entries).map(|waiting| waiting.entry.clone()).collect();
        }
        let standing = self.standing(max_entries, now);
        let turns = standing.order(|user, from, to| {
            let ids = UserId::parse(user).ok().and_then(|user_id| self.by_user.get(&user_id));
            Some(ids.into_iter().flatten().copied().filter(|id| *id > from && *id <= to).collect())
        });
        let dues: Vec<&Waiting> = self.due(now).take(max_entries).collect();
        let found = turns.into_iter().take(max_entries).filter_map(|turn| match turn {
            Turn::Normal(index) => self.normals.get(&standing.normals.get(index)?.id),
            Turn::Pulled(id) => self.normals.get(&id),
            Turn::High(index) => self.highs.get(&standing.highs.get(index)?.id),
            Turn::Due(index) => dues.get(index).copied(),
        });
        found.map(|waiting| waiting.entry.clone()).collect()
    }

    fn standing(&self, max_entries: usize, now: DateTime<Utc>) -> Standing {
        let user = |waiting: &Waiting| Some(waiting.user_id.to_string());
        let normals = self.normals.iter().take(max_entries);
        let high =
            |(id, waiting): (&EntryId, &Waiting)| High { id: *id, after: waiting.entry.after(), user: user(waiting) };
        let due = |waiting: &Waiting| Due {
            at_ms: waiting.entry.due_ms(),
            class: waiting.entry.class(),
            user: user(waiting),
        };
        Standing {
            normals: normals.map(|(id, waiting)| Normal { id: *id, user: user(waiting) }).collect(),
            has_all_normals: self.normals.len() <= max_entries,
            highs: self.highs.iter().take(max_entries).map(high).collect(),
            has_all_highs: self.highs.len() <= max_entries,
            dues: self.due(now).take(max_entries).map(due).collect(),
            has_all_dues: self.due(now).nth(max_entries).is_none(),
        }
    }

    /// The first entry of each stream.
    pub(super) fn heads(&self) -> impl Iterator<Item = Entry> {
        let heads = [self.highs.values().next(), self.normals.values().next()];
        heads.into_iter().flatten().map(|waiting| waiting.entry.clone())
    }

    /// How much waits.
    pub(super) fn depth(&self, shard: Shard, now: DateTime<Utc>) -> Depth {
        let added = self.normals.keys().next().into_iter().chain(self.highs.keys().next()).map(|id| id.0);
        let first = added.chain(self.due(now).next().map(|waiting| waiting.entry.due_ms())).min();
        let now_ms = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        let waiting = self.waiting(now);
        Depth {
            shard,
            waiting: count(waiting),
            delayed: count(self.normals.len() + self.highs.len() + self.delayed.len() - waiting),
            oldest_waiting_ms: first.map(|first_ms| now_ms.saturating_sub(first_ms)),
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
