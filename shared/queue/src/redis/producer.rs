//! Putting jobs into the queue.

use chrono::{DateTime, Utc};
use redis::Cmd;
use satchel_model::ids::{Shard, ShardCount};
use satchel_model::operations::Envelope;
use satchel_model::operations::Priority;
use satchel_wire::envelope::EnvelopeKey;

use super::batch::Batch;
use super::connection::Connection;
use super::failure::no_answer;
use super::{keys, pending, scripts};
use crate::{Pending, QueueError};

/// Whether jobs come for the first time, or because they were forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    New,
    Again,
}

/// See [`crate::Queue::enqueue`] and [`crate::Queue::restore`]. An answer comes after Redis has written to disk, where it is set up so
/// (`appendfsync always`).
pub(super) async fn enqueue(
    connection: &Connection,
    shards: ShardCount,
    key: &EnvelopeKey,
    envelopes: impl Iterator<Item = &Envelope>,
    arrival: Arrival,
) -> Result<Vec<Result<(), QueueError>>, QueueError> {
    let (few, _) = envelopes.size_hint();
    let mut batch = Batch::with_capacity(few);
    let mut has_record = Vec::with_capacity(few);
    for envelope in envelopes {
        let queued = Pending::queued(envelope);
        has_record.push(queued.is_some());
        // First the record, so that there is one as long as the job waits.
        if let Some((record, ttl_seconds)) = queued {
            let shard = shards.of_job(envelope.job_id);
            batch.add(shard, pending::set(&record, ttl_seconds, shard));
        }
        let shard = shards.of_user(&envelope.job.user_id);
        batch.add_later(shard, append(key, envelope, shard, arrival));
    }
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let answers = connection.run_each(batch).await?;
    // One whose record was refused is not answered for, even if its entry was taken.
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or_else(|| Err(no_answer())).map(drop);
    Ok(has_record
        .into_iter()
        .map(|has_record| {
            let recorded = if has_record { next() } else { Ok(()) };
            recorded.and(next())
        })
        .collect())
}

/// `XADD key * v version body body mac mac`.
const XADD_ARGUMENTS: usize = 9;
/// What its arguments but key, body and MAC take, in bytes: five words and a number of 10 digits at most.
const XADD_OTHER_BYTES: usize = 23;

pub(super) fn append(key: &EnvelopeKey, envelope: &Envelope, shard: Shard, arrival: Arrival) -> Cmd {
    let sealed = key.seal(envelope);
    let class = envelope.job.priority;
    match envelope.job.not_before {
        None if class == Priority::Normal => {
            let key = keys::stream(shard, class);
            let bytes = key.len() + sealed.body.len() + sealed.mac.len() + XADD_OTHER_BYTES;
            let mut command = Cmd::with_capacity(XADD_ARGUMENTS, bytes);
            command.arg("XADD").arg(key).arg("*");
            command.arg("v").arg(sealed.version).arg("body").arg(sealed.body).arg("mac").arg(sealed.mac);
            command
        }
        None => {
            let mut command = scripts::run(scripts::APPEND, shard);
            command.arg(scripts::class_name(class)).arg(sealed.version).arg(sealed.body).arg(sealed.mac);
            command
        }
        // Whether it is due already, only Redis's clock says.
        Some(not_before) => {
            let mut command = scripts::run(scripts::DELAY, shard);
            command.arg(scripts::class_name(class)).arg(sealed.version).arg(sealed.body).arg(sealed.mac);
            command.arg(envelope.job_id.to_string()).arg(due_ms(not_before));
            command.arg(if arrival == Arrival::Again { "1" } else { "0" });
            command
        }
    }
}

/// In whole milliseconds, never earlier than said.
pub(super) fn due_ms(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis() + i64::from(!time.timestamp_subsec_micros().is_multiple_of(1_000))
}
