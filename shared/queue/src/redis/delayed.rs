//! Delayed jobs: which of a lane's shards have some, and what of them is due.
//!
//! A job that is due has its place among its shard's entries by its time, so whoever reads entries must know of every
//! job that was due before them. So each read asks, behind itself and in the same round trip, what is delayed; and a
//! shard in which something is due is read anew, all of it at one moment by one clock (`lua/read.lua`).

use std::collections::BTreeMap;
use std::time::Duration;

use redis::{Cmd, RedisError, Value, from_redis_value};
use satchel_model::ids::Shard;
use satchel_model::operations::Priority;
use tokio::time::Instant;

use super::batch::Batch;
use super::connection::Connection;
use super::failure::no_answer;
use super::{keys, scripts, streams};
use crate::{Entry, Place, QueueError};

/// What was seen of a lane's shards, behind the last read.
#[derive(Default)]
pub(super) struct Delays {
    /// Of each shard that has delayed jobs, when the first one is due, in milliseconds by Redis's clock.
    firsts: BTreeMap<Shard, u64>,
    /// Redis's clock.
    now_ms: u64,
    seen_at: Option<Instant>,
}

type Answers = std::vec::IntoIter<Result<Value, QueueError>>;

impl Delays {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// How long a read may wait for entries before the next delayed job is due, in milliseconds; at most `block_ms`.
    pub(super) fn patience(&self, block_ms: u32) -> u32 {
        let (Some(first), Some(seen_at)) = (self.firsts.values().min(), self.seen_at) else { return block_ms };
        let due_at = seen_at + Duration::from_millis(first.saturating_sub(self.now_ms));
        let left = due_at.saturating_duration_since(Instant::now());
        u32::try_from(left.as_millis()).unwrap_or(u32::MAX).saturating_add(1).min(block_ms)
    }

    /// What to ask one server behind a read of these shards: about those that had delayed jobs, each; about the others,
    /// which rarely have, in one command.
    pub(super) fn questions(&mut self, shards: &[Shard]) -> Vec<Cmd> {
        self.firsts.retain(|shard, _| shards.contains(shard));
        let mut others = redis::cmd("EXISTS");
        for shard in shards.iter().filter(|shard| !self.firsts.contains_key(shard)) {
            others.arg(keys::delayed(*shard));
        }
        let mut questions = Vec::with_capacity(self.firsts.len() + 2);
        if self.firsts.len() < shards.len() {
            questions.push(others);
        }
        if !self.firsts.is_empty() {
            questions.push(redis::cmd("TIME"));
            questions.extend(self.firsts.keys().map(|shard| first(*shard)));
        }
        questions
    }

    /// Takes the answers to [`Self::questions`]: whether they tell all. If not, [`Self::look`] does.
    pub(super) fn hear(&mut self, shards: &[Shard], mut answers: Answers) -> Result<bool, QueueError> {
        let have_others_some = self.firsts.len() < shards.len()
            && !matches!(answers.next().unwrap_or_else(|| Err(no_answer()))?, Value::Int(0));
        if !self.firsts.is_empty() {
            let known = self.firsts.keys().copied().collect::<Vec<_>>();
            self.note(&known, answers)?;
        }
        Ok(!have_others_some)
    }

    /// Asks about each shard.
    pub(super) async fn look(&mut self, connection: &Connection, shards: &[Shard]) -> Result<(), QueueError> {
        let mut batch = Batch::with_capacity(1 + shards.len());
        batch.add_keyless(redis::cmd("TIME"));
        for shard in shards {
            batch.add(*shard, first(*shard));
        }
        self.note(shards, connection.run_each(batch).await?.into_iter())
    }

    /// Takes the time, and of each of the shards its first delayed job. One whose jobs cannot be read has none.
    fn note(&mut self, shards: &[Shard], mut answers: Answers) -> Result<(), QueueError> {
        let time = answers.next().unwrap_or_else(|| Err(no_answer()))?;
        let (seconds, micros): (u64, u64) = from_redis_value(time).map_err(RedisError::from)?;
        (self.now_ms, self.seen_at) = (seconds * 1_000 + micros / 1_000, Some(Instant::now()));
        self.firsts.clear();
        for (shard, answer) in shards.iter().zip(answers) {
            let firsts: Vec<(Vec<u8>, f64)> = match answer {
                Ok(value) => from_redis_value(value).unwrap_or_default(),
                Err(error @ QueueError::Unavailable(_)) => return Err(error),
                Err(_) => Vec::new(),
            };
            if let Some((_, due_ms)) = firsts.first() {
                self.firsts.insert(*shard, whole(*due_ms));
            }
        }
        Ok(())
    }

    /// The shards in which a job is due, or was when the last of the shard's entries that were read was added: `last_ms`
    /// tells when. (A cluster's servers have clocks of their own.)
    pub(super) fn due(&self, last_ms: impl Fn(Shard) -> u64) -> Vec<Shard> {
        let is_due = |(shard, first_ms): &(&Shard, &u64)| **first_ms <= self.now_ms.max(last_ms(**shard));
        self.firsts.iter().filter(is_due).map(|(shard, _)| *shard).collect()
    }
}

/// The first delayed job of a shard, and when it is due.
fn first(shard: Shard) -> Cmd {
    let mut command = redis::cmd("ZRANGE");
    command.arg(keys::delayed(shard)).arg(0).arg(0).arg("WITHSCORES");
    command
}

/// Milliseconds as Redis keeps them: whoever can write there can make them anything.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn whole(milliseconds: f64) -> u64 {
    milliseconds as u64
}

/// What comes first in a shard, at one moment.
pub(super) struct Snapshot {
    pub(super) highs: Vec<Entry>,
    pub(super) normals: Vec<Entry>,
    pub(super) dues: Vec<Entry>,
}

/// Reads shards, each at one moment, at most `count` of each kind.
pub(super) async fn read_all(
    connection: &Connection,
    shards: &[Shard],
    count: usize,
) -> Result<Vec<Result<Snapshot, QueueError>>, QueueError> {
    if shards.is_empty() {
        return Ok(Vec::new());
    }
    let mut batch = Batch::with_capacity(shards.len());
    for shard in shards {
        let mut command = scripts::run(scripts::READ, *shard);
        command.arg(count);
        batch.add(*shard, command);
    }
    let answers = shards.iter().zip(connection.run_each(batch).await?);
    Ok(answers.map(|(shard, answer)| answer.map(|value| snapshot(*shard, value))).collect())
}

fn snapshot(shard: Shard, answer: Value) -> Snapshot {
    let mut kinds = match answer {
        Value::Array(kinds) => kinds.into_iter(),
        _ => Vec::new().into_iter(),
    };
    let mut next = |place| match kinds.next() {
        Some(Value::Array(values)) => {
            values.into_iter().filter_map(|value| streams::entry(shard, place, value)).collect()
        }
        _ => Vec::new(),
    };
    Snapshot {
        highs: next(Place::Stream(Priority::High)),
        normals: next(Place::Stream(Priority::Normal)),
        dues: next(Place::Delayed),
    }
}

/// The command that removes delayed jobs of a shard.
pub(super) fn remove(shard: Shard, ids: &[&str]) -> Cmd {
    let mut command = scripts::run(scripts::REMOVE, shard);
    command.arg(ids);
    command
}

/// The command that sets the time of a delayed job, if it is still there.
pub(super) fn defer(shard: Shard, id: &str, due_ms: i64) -> Cmd {
    let mut command = redis::cmd("ZADD");
    command.arg(keys::delayed(shard)).arg("XX").arg(due_ms).arg(id);
    command
}
