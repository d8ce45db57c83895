//! Reading jobs and finishing them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use redis::RedisError;
use satchel_model::ids::{Shard, ShardCount};
use satchel_model::operations::Priority;
use satchel_wire::envelope::EnvelopeKey;
use tokio::time::Instant;

use super::backlog::Backlog;
use super::batch::Batch;
use super::connection::Connection;
use super::delayed::Delays;
use super::page::{Page, Pages};
use super::producer::due_ms;
use super::streams::{Run, Start};
use super::{delayed, keys, pending, streams};
use crate::entry::EntryId;
use crate::order::{Standing, Turn};
use crate::share::allot;
use crate::{Consumer, Entry, EntryRef, Finished, Place, QueueError, outcomes};

/// How long a shard is left alone that cannot be read, in milliseconds.
const SICK_SHARD_PAUSE_MS: u64 = 2_000;
/// How often a lane that has nothing to read asks whether it still talks to a server that takes writes: a replica that has lost
/// its master has nothing to read for ever.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// How soon, and how late, a cluster is asked again that had nothing, in milliseconds: one command cannot wait for
/// shards of several nodes.
const FIRST_POLL_MS: u64 = 5;
const LAST_POLL_MS: u64 = 50;

/// See the module.
pub(super) struct RedisConsumer {
    connection: Connection,
    shards: ShardCount,
    backlog: Backlog,
    delays: Delays,
    /// Shards that cannot be read, and until when to leave them alone.
    sick: HashMap<Shard, Instant>,
    checked: Instant,
}

impl RedisConsumer {
    /// Over a connection of its own, since waiting for entries occupies it.
    pub(super) fn new(connection: Connection, shards: ShardCount) -> Self {
        Self {
            connection,
            shards,
            backlog: Backlog::default(),
            delays: Delays::default(),
            sick: HashMap::new(),
            checked: Instant::now(),
        }
    }

    /// Reads on from these starts, and behind that asks what is delayed; without `block_ms` it does not wait.
    /// `shards` are all that are being read.
    async fn look(
        &mut self,
        shards: &[Shard],
        starts: &[Start],
        count: usize,
        block_ms: Option<u32>,
    ) -> Result<Vec<Run>, QueueError> {
        let (runs, knows_delays) = if self.connection.is_cluster() {
            (self.poll(starts, count, block_ms).await?, false)
        } else {
            let questions = self.delays.questions(shards);
            match streams::read(&self.connection, starts, count, block_ms, questions).await {
                Ok((runs, answers)) => (runs, self.delays.hear(shards, answers)?),
                Err(error) if is_wrong_type(&error) => (self.look_at_each(starts, count).await?, false),
                Err(error) => return Err(error),
            }
        };
        if !knows_delays {
            self.delays.look(&self.connection, shards).await?;
        }
        Ok(runs)
    }

    /// Asks a cluster again and again.
    async fn poll(&mut self, starts: &[Start], count: usize, block_ms: Option<u32>) -> Result<Vec<Run>, QueueError> {
        let end = Instant::now() + Duration::from_millis(block_ms.unwrap_or_default().into());
        let mut pause = Duration::from_millis(FIRST_POLL_MS);
        loop {
            let runs = self.look_at_each(starts, count).await?;
            let left = end.saturating_duration_since(Instant::now());
            if !runs.is_empty() || left.is_zero() {
                return Ok(runs);
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (2 * pause).min(Duration::from_millis(LAST_POLL_MS));
        }
    }

    /// Shard by shard: one that cannot be read does not hold up the others.
    async fn look_at_each(&mut self, starts: &[Start], count: usize) -> Result<Vec<Run>, QueueError> {
        let mut runs = Vec::new();
        let mut failure = None;
        let mut has_answer = false;
        for (start, answer) in starts.iter().zip(streams::read_each(&self.connection, starts, count).await?) {
            match answer {
                Ok(of_shard) => {
                    has_answer = true;
                    runs.extend(of_shard);
                }
                Err(error @ QueueError::Protocol(_)) => self.leave_alone(start.shard, &error),
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if !has_answer => Err(error),
            _ => Ok(runs),
        }
    }

    /// Reads those shards anew, all at one moment, in which a delayed job is due.
    async fn read_due(&mut self, pages: &mut Pages, share: usize, max_entries: usize) -> Result<(), QueueError> {
        let due = self.delays.due(|shard| pages.last_ms(shard));
        if due.is_empty() {
            return Ok(());
        }
        pages.pages.retain(|page| !due.contains(&page.shard));
        let count = share.max(max_entries.saturating_sub(pages.entries()) / due.len());
        for (shard, snapshot) in due.iter().zip(delayed::read_all(&self.connection, &due, count).await?) {
            match snapshot {
                Ok(snapshot) => pages.pages.push(Page::of(*shard, snapshot, count)),
                Err(error @ QueueError::Protocol(_)) => self.leave_alone(*shard, &error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Has a shard left alone for a while.
    fn leave_alone(&mut self, shard: Shard, error: &QueueError) {
        tracing::error!(%shard, %error, "a shard cannot be read");
        self.sick.insert(shard, Instant::now() + Duration::from_millis(SICK_SHARD_PAUSE_MS));
    }

    /// Puts the pages' entries in order, at most `max_entries` in all.
    async fn arrange(&mut self, pages: Vec<Page>, max_entries: usize) -> Result<Vec<Entry>, QueueError> {
        let standings: Vec<(&Page, Standing)> =
            pages.iter().filter(|page| page.is_mixed()).map(|page| (page, page.standing())).collect();
        self.backlog.extend(&self.connection, &standings).await?;
        let mut standings =
            standings.into_iter().map(|(page, standing)| (page.shard, standing)).collect::<HashMap<_, _>>();
        let mut plans: Vec<Vec<Turn>> = pages
            .iter()
            .map(|page| match standings.remove(&page.shard) {
                Some(standing) => standing.order(|user, from, to| self.backlog.earlier(page.shard, user, from, to)),
                None => (0..page.normals.len()).map(Turn::Normal).collect(),
            })
            .collect();
        let sizes: Vec<(usize, usize)> =
            plans.iter().zip(&pages).map(|(plan, page)| (plan.len(), page.asked)).collect();
        for (plan, size) in plans.iter_mut().zip(allot(&sizes, max_entries)) {
            plan.truncate(size);
        }
        let wanted: Vec<_> = plans
            .iter()
            .zip(&pages)
            .flat_map(|(plan, page)| plan.iter().map(|turn| (page.shard, *turn)))
            .filter_map(|(shard, turn)| if let Turn::Pulled(id) = turn { Some((shard, id)) } else { None })
            .collect();
        let fetched = streams::fetch(&self.connection, &wanted).await?;
        for ((shard, id), _) in wanted.iter().zip(&fetched).filter(|(_, entry)| entry.is_none()) {
            self.backlog.forget(*shard, *id);
        }
        let mut fetched = fetched.into_iter();
        Ok(pages.into_iter().zip(plans).flat_map(|(page, plan)| take(page, &plan, &mut fetched)).collect())
    }
}

#[async_trait]
impl Consumer for RedisConsumer {
    /// A second look takes more of the shards that have more, so that one busy player fills a batch as well
    /// as many players do.
    async fn read(&mut self, shards: &[Shard], max_entries: usize, block_ms: u32) -> Result<Vec<Entry>, QueueError> {
        self.backlog.keep(shards);
        let now = Instant::now();
        self.sick.retain(|_, until| *until > now);
        let served: Vec<Shard> = shards.iter().copied().filter(|shard| !self.sick.contains_key(shard)).collect();
        let starts: Vec<_> = served.iter().map(|shard| Start::of(*shard)).collect();
        if starts.is_empty() {
            tokio::time::sleep(Duration::from_millis(block_ms.into())).await;
            return Ok(Vec::new());
        }
        let share = (max_entries / shards.len()).max(1);
        let mut pages = Pages::default();
        let block_ms = self.delays.patience(block_ms);
        pages.add(&starts, share, self.look(&served, &starts, share, Some(block_ms)).await?);
        if pages.entries() == 0 && self.checked.elapsed() >= CHECK_EVERY {
            self.connection.check().await?;
            self.checked = Instant::now();
        }
        let (rests, room) = (pages.rests(), max_entries.saturating_sub(pages.entries()));
        if room >= rests.len() && !rests.is_empty() {
            let count = room / rests.len();
            pages.add(&rests, count, self.look(&served, &rests, count, None).await?);
        }
        self.read_due(&mut pages, share, max_entries).await?;
        self.arrange(pages.pages, max_entries).await
    }

    async fn defer(&mut self, early: &[(EntryRef, DateTime<Utc>)]) -> Result<(), QueueError> {
        let mut batch = Batch::default();
        for (entry, due) in early {
            batch.add(entry.shard, delayed::defer(entry.shard, &entry.id, due_ms(*due)));
        }
        if batch.is_empty() { Ok(()) } else { self.connection.run_all(batch).await }
    }

    async fn finish(&mut self, key: &EnvelopeKey, finished: &Finished) -> Result<(), QueueError> {
        // First and alone: what goes along with commands that write is only sent on when those are on disk.
        let mut told = Batch::default();
        for (replica, replica_outcomes) in &finished.outcomes {
            let mut command = redis::cmd("PUBLISH");
            command.arg(keys::outcomes(*replica)).arg(outcomes::seal(key, replica_outcomes));
            told.add_keyless(command);
        }
        if !told.is_empty() {
            self.connection.run_all(told).await?;
        }
        let mut batch = Batch::default();
        pending::forget(self.shards, &finished.job_ids, &mut batch);
        let mut by_place: BTreeMap<(Shard, Place), Vec<&str>> = BTreeMap::new();
        for entry in &finished.entries {
            by_place.entry((entry.shard, entry.place)).or_default().push(&entry.id);
        }
        for ((shard, place), ids) in by_place {
            let command = match place {
                Place::Stream(class) => streams::delete(shard, class, &ids),
                Place::Delayed => delayed::remove(shard, &ids),
            };
            // Last: an entry that is still there brings its job here again, so that no record of it stays for good.
            batch.add_later(shard, command);
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.connection.run_all(batch).await?;
        if !self.backlog.is_empty() {
            for entry in finished.entries.iter().filter(|entry| entry.place == Place::Stream(Priority::Normal)) {
                self.backlog.forget(entry.shard, EntryId::parse(&entry.id).unwrap_or_default());
            }
        }
        Ok(())
    }

    fn start_over(&mut self) {
        // A connection whose answer is late is dropped by itself.
        self.backlog.clear();
        self.delays.clear();
    }
}

/// The entries of a plan; what was to be fetched comes from `fetched`, in this order, and may have gone.
fn take(page: Page, plan: &[Turn], fetched: &mut impl Iterator<Item = Option<Entry>>) -> Vec<Entry> {
    let mut normals: Vec<_> = page.normals.into_iter().map(Some).collect();
    let mut highs: Vec<_> = page.highs.into_iter().map(Some).collect();
    let mut dues: Vec<_> = page.dues.into_iter().map(Some).collect();
    plan.iter()
        .filter_map(|turn| match turn {
            Turn::Normal(index) => normals.get_mut(*index).and_then(Option::take),
            Turn::High(index) => highs.get_mut(*index).and_then(Option::take),
            Turn::Due(index) => dues.get_mut(*index).and_then(Option::take),
            Turn::Pulled(_) => fetched.next().flatten(),
        })
        .collect()
}

fn is_wrong_type(error: &QueueError) -> bool {
    let QueueError::Protocol(source) = error else { return false };
    source.downcast_ref::<RedisError>().is_some_and(|error| error.code() == Some("WRONGTYPE"))
}
