//! The records of pending jobs: claimed, found, forgotten.

use std::collections::BTreeMap;

use redis::{Cmd, Value};
use satchel_model::ids::{JobId, Shard, ShardCount};

use super::batch::Batch;
use super::connection::Connection;
use super::failure::no_answer;
use super::{keys, streams};
use crate::entry::EntryId;
use crate::pending::CLAIM_TTL_SECONDS;
use crate::{Claim, Pending, QueueError};

/// See [`crate::Queue::claim`].
pub(super) async fn claim(
    connection: &Connection,
    shards: ShardCount,
    jobs: &[Pending],
) -> Result<Vec<Claim>, QueueError> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let mut batch = Batch::default();
    for job in jobs {
        let shard = shards.of_job(job.job_id);
        let mut claim = set(job, CLAIM_TTL_SECONDS, shard);
        claim.arg("NX");
        batch.add(shard, claim);
        let mut get = redis::cmd("GET");
        get.arg(keys::pending(shard, job.job_id));
        batch.add(shard, get);
    }
    let mut answers = connection.run_each(batch).await?.into_iter();
    let mut next = || answers.next().unwrap_or_else(|| Err(no_answer()));
    jobs.iter()
        .map(|job| {
            let (was_free, stored) = (next()? == Value::Okay, streams::bytes(next()?));
            Ok(match stored.as_deref().and_then(parse) {
                Some(stored) if !was_free => stored.claimed_by(job),
                // Free; or decided in this very moment, or unreadable: Postgres knows.
                _ => Claim::New,
            })
        })
        .collect()
}

/// See [`crate::Queue::look`].
pub(super) async fn look(
    connection: &Connection,
    shards: ShardCount,
    jobs: &[Pending],
) -> Result<Vec<Claim>, QueueError> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let mut batch = Batch::default();
    for job in jobs {
        let shard = shards.of_job(job.job_id);
        let mut get = redis::cmd("GET");
        get.arg(keys::pending(shard, job.job_id));
        batch.add(shard, get);
    }
    let mut answers = connection.run_each(batch).await?.into_iter();
    let stored = |job: &Pending| {
        let stored = streams::bytes(answers.next().unwrap_or_else(|| Err(no_answer()))?);
        Ok(Pending::queued_as(stored.as_deref().and_then(parse).as_ref(), job))
    };
    jobs.iter().map(stored).collect()
}

/// The record of a job with a key, as [`crate::Queue::pending`] tells it. Where it names its entry, the entry must be there:
/// a record outlives a stream that is lost.
pub(super) async fn find(
    connection: &Connection,
    shards: ShardCount,
    job_id: JobId,
) -> Result<Option<Pending>, QueueError> {
    let shard = shards.of_job(job_id);
    let mut get = redis::cmd("GET");
    get.arg(keys::pending(shard, job_id));
    let stored: Option<Vec<u8>> = connection.run(&get).await?;
    let Some(stored) = stored else { return Ok(None) };
    if let Some(entry) = entry_of(&stored).and_then(|entry| EntryId::parse(std::str::from_utf8(entry).ok()?))
        && streams::fetch(connection, &[(shard, entry)]).await?.iter().all(Option::is_none)
    {
        return Ok(None);
    }
    Ok(parse(&stored).filter(|pending| pending.is_queued))
}

/// Adds one `UNLINK` per shard in which one of these jobs may have a record.
pub(super) fn forget(shards: ShardCount, job_ids: &[JobId], batch: &mut Batch) {
    let mut by_shard: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for job_id in job_ids.iter().filter(|job_id| job_id.is_of_key()) {
        let shard = shards.of_job(*job_id);
        by_shard.entry(shard).or_default().push(keys::pending(shard, *job_id));
    }
    for (shard, keys) in by_shard {
        let mut command = redis::cmd("UNLINK");
        command.arg(keys);
        batch.add(shard, command);
    }
}

/// `SET key record EX ttl NX`.
const SET_ARGUMENTS: usize = 6;
/// What its arguments but key and record take, in bytes: three words and a number of 20 digits at most.
const SET_OTHER_BYTES: usize = 27;

/// `SET key record EX ttl`.
pub(super) fn set(record: &Pending, ttl_seconds: u64, shard: Shard) -> Cmd {
    let key = keys::pending(shard, record.job_id);
    let record = satchel_model::json::raw(record);
    let mut command = Cmd::with_capacity(SET_ARGUMENTS, key.len() + record.get().len() + SET_OTHER_BYTES);
    command.arg("SET").arg(key).arg(record.get()).arg("EX").arg(ttl_seconds);
    command
}

/// Behind its entry's id, if that is known, a record is JSON.
pub(super) fn parse(stored: &[u8]) -> Option<Pending> {
    let begin = entry_of(stored).map_or(0, |entry| entry.len() + 1);
    serde_json::from_slice(stored.get(begin..)?).ok()
}

/// The id of the job's entry in the normal stream of the record's shard.
fn entry_of(stored: &[u8]) -> Option<&[u8]> {
    let end = stored.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'-')?;
    (stored.get(end) == Some(&b'|')).then(|| stored.get(..end)).flatten()
}
