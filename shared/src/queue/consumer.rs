//! Reading jobs and finishing them.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::{Pipeline, Value};

use super::connection::Connection;
use super::entry::{Entry, bytes};
use super::outcomes::Outcome;
use super::{Queue, QueueError, keys, outcomes, pending};
use crate::domain::{JobId, Shard};
use crate::envelope::{EnvelopeKey, ReplicaId};

/// One lane's way into the queue, with a connection of its own, since waiting for entries occupies it.
pub struct Consumer {
    connection: Connection,
    queue: Queue,
    deadline: Duration,
}

/// What a lane is done with.
#[derive(Debug, Default)]
pub struct Finished {
    /// Entries to delete: they are decided or set aside, and Postgres has it.
    pub entries: Vec<(Shard, String)>,
    /// Jobs that are decided.
    pub job_ids: Vec<JobId>,
    /// Outcomes that API replicas wait for.
    pub outcomes: BTreeMap<ReplicaId, Vec<Outcome>>,
}

impl Queue {
    /// A consumer that waits at most `block_ms` milliseconds for entries.
    ///
    /// # Errors
    /// If the connection cannot be set up.
    pub fn consumer(&self, block_ms: u32) -> Result<Consumer, QueueError> {
        let deadline = self.deadline() + Duration::from_millis(block_ms.into());
        Ok(Consumer { connection: Connection::new(&self.client, deadline)?, queue: self.clone(), deadline })
    }
}

impl Consumer {
    /// Gives the connection up for a new one, which is made when it is next needed.
    pub fn reconnect(&mut self) {
        // It could be made once, so it can be made again.
        if let Ok(connection) = Connection::new(&self.queue.client, self.deadline) {
            self.connection = connection;
        }
    }

    /// Reads the oldest entries of these shards, at most `max_entries` in all (or one a shard, if there are more
    /// shards than that), each shard's in order. Waits for
    /// the first one up to `block_ms`; returns none if there is none by then.
    ///
    /// A second look takes more of the shards that have more, so that one busy player fills a batch as well
    /// as many players do.
    ///
    /// # Errors
    /// If Redis is away.
    pub async fn read(
        &mut self,
        shards: &[Shard],
        max_entries: usize,
        block_ms: u32,
    ) -> Result<Vec<Entry>, QueueError> {
        let share = (max_entries / shards.len().max(1)).max(1);
        let starts: Vec<_> = shards.iter().map(|shard| (*shard, "0-0".to_owned())).collect();
        let mut entries = self.read_from(&starts, share, Some(block_ms)).await?;
        let room = max_entries.saturating_sub(entries.len());
        let more = full_shards(&entries, share);
        if room >= more.len() && !more.is_empty() {
            entries.extend(self.read_from(&more, room / more.len(), None).await?);
        }
        Ok(entries)
    }

    async fn read_from(
        &mut self,
        starts: &[(Shard, String)],
        count: usize,
        block_ms: Option<u32>,
    ) -> Result<Vec<Entry>, QueueError> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(count);
        if let Some(block_ms) = block_ms {
            // 0 would mean for ever.
            command.arg("BLOCK").arg(block_ms.max(1));
        }
        command.arg("STREAMS");
        for (shard, _) in starts {
            command.arg(keys::jobs(*shard));
        }
        for (_, id) in starts {
            command.arg(id);
        }
        let answer: Value = self.connection.run(&command).await?;
        Ok(entries_of(answer, starts))
    }

    /// Publishes the outcomes, deletes the entries and forgets the pending records, in one go.
    ///
    /// # Errors
    /// If Redis is away. Whatever was not deleted is read again, and decided already.
    pub async fn finish(&mut self, key: &EnvelopeKey, finished: &Finished) -> Result<(), QueueError> {
        let mut pipeline = Pipeline::new();
        for (replica, replica_outcomes) in &finished.outcomes {
            outcomes::publish(key, *replica, replica_outcomes, &mut pipeline);
        }
        let mut by_shard: BTreeMap<Shard, Vec<&str>> = BTreeMap::new();
        for (shard, id) in &finished.entries {
            by_shard.entry(*shard).or_default().push(id);
        }
        for (shard, ids) in by_shard {
            pipeline.cmd("XDEL").arg(keys::jobs(shard)).arg(ids);
        }
        pending::forget(self.queue.shards, &finished.job_ids, &mut pipeline);
        if pipeline.is_empty() {
            return Ok(());
        }
        self.connection.run_all(&mut pipeline).await
    }
}

/// The shards that gave as many entries as they were asked for, and the last entry of each.
fn full_shards(entries: &[Entry], share: usize) -> Vec<(Shard, String)> {
    entries
        .chunk_by(|a, b| a.shard == b.shard)
        .filter(|chunk| chunk.len() >= share)
        .filter_map(|chunk| chunk.last().map(|entry| (entry.shard, entry.id.clone())))
        .collect()
}

/// Reads `[[key, [entry, …]], …]`; nil if there are none.
fn entries_of(answer: Value, starts: &[(Shard, String)]) -> Vec<Entry> {
    let streams: Vec<(Value, Value)> = match answer {
        Value::Array(streams) => streams
            .into_iter()
            .filter_map(|stream| match stream {
                Value::Array(mut pair) if pair.len() == 2 => pair.pop().zip(pair.pop()).map(|(b, a)| (a, b)),
                _ => None,
            })
            .collect(),
        // RESP3 answers with a map.
        Value::Map(streams) => streams,
        _ => Vec::new(),
    };
    let mut entries = Vec::new();
    for (key, values) in streams {
        let key = bytes(key).unwrap_or_default();
        let shard = starts.iter().map(|(shard, _)| *shard).find(|shard| keys::jobs(*shard).as_bytes() == key);
        if let (Some(shard), Value::Array(values)) = (shard, values) {
            entries.extend(values.into_iter().filter_map(|value| Entry::of_value(shard, value)));
        }
    }
    entries
}
