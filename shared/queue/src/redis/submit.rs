//! Taking jobs in: those with an idempotency key only where nobody has their ids.
//!
//! A job whose id leads to its user's shard has its record beside its entry, so that one step sees to both
//! (`lua/submit.lua`). Where one of a call's jobs is not of this kind, all take two: first the ids are claimed, then
//! what is new is queued, so that jobs of one call stay in their order.

use redis::{Cmd, Value};
use satchel_model::ids::{JobId, Shard, ShardCount};
use satchel_model::operations::{Envelope, Priority};
use satchel_wire::envelope::EnvelopeKey;

use super::batch::Batch;
use super::connection::Connection;
use super::failure::no_answer;
use super::producer::{self, Arrival};
use super::{keys, pending, scripts, sought, streams};
use crate::{Claim, Pending, QueueError, Sought};

/// See [`crate::Queue::submit`].
pub(super) async fn submit(
    connection: &Connection,
    shards: ShardCount,
    key: &EnvelopeKey,
    envelopes: &[&Envelope],
) -> Result<Vec<Result<Claim, QueueError>>, QueueError> {
    if envelopes.is_empty() {
        return Ok(Vec::new());
    }
    let is_keyed = |envelope: &Envelope| envelope.job_id.is_of_key();
    let takes_one_step = |envelope: &Envelope| {
        let Envelope { job_id, job, .. } = envelope;
        let is_plain = job.priority == Priority::Normal && job.not_before.is_none();
        is_plain && shards.of_job(*job_id) == shards.of_user(&job.user_id)
    };
    if envelopes.iter().all(|envelope| !is_keyed(envelope) || takes_one_step(envelope)) {
        in_one_step(connection, shards, key, envelopes).await
    } else {
        Box::pin(in_two_steps(connection, shards, key, envelopes)).await
    }
}

async fn in_one_step(
    connection: &Connection,
    shards: ShardCount,
    key: &EnvelopeKey,
    envelopes: &[&Envelope],
) -> Result<Vec<Result<Claim, QueueError>>, QueueError> {
    let mut batch = Batch::with_capacity(envelopes.len());
    let mut asked = Vec::with_capacity(envelopes.len());
    for envelope in envelopes {
        let shard = shards.of_user(&envelope.job.user_id);
        let queued = Pending::queued(envelope);
        let command = match &queued {
            Some((record, ttl_seconds)) => claim_and_append(key, envelope, record, *ttl_seconds, shard),
            None => producer::append(key, envelope, shard, Arrival::New),
        };
        batch.add(shard, command);
        asked.push(queued.map(|(record, _)| record));
    }
    let mut answers = connection.run_each(batch).await?.into_iter();
    let mut next = || answers.next().unwrap_or_else(|| Err(no_answer()));
    Ok(asked
        .into_iter()
        .map(|record| {
            let answer = next()?;
            Ok(record.map_or(Claim::New, |record| claim_of(answer, &record)))
        })
        .collect())
}

/// The command that adds a job's entry and its record, unless somebody has its id.
fn claim_and_append(key: &EnvelopeKey, envelope: &Envelope, record: &Pending, ttl_seconds: u64, shard: Shard) -> Cmd {
    let sealed = key.seal(envelope);
    // The entry of one whose outcome somebody waits for says who is to be told.
    let goes_again = if envelope.reply_to.is_some() { "1" } else { "0" };
    let mut command = redis::cmd("EVAL");
    command
        .arg(scripts::SUBMIT)
        .arg(2)
        .arg(keys::stream(shard, Priority::Normal))
        .arg(keys::pending(shard, envelope.job_id))
        .arg(record.payload_hash_text())
        .arg(goes_again)
        .arg(sealed.version)
        .arg(sealed.body)
        .arg(sealed.mac)
        .arg(satchel_model::json::raw(record).get())
        .arg(ttl_seconds);
    command
}

/// What the script's answer means: the record that it found and left alone, or in a list the one beside which it has queued
/// the job once more, if there was one.
fn claim_of(answer: Value, record: &Pending) -> Claim {
    let (found, was_queued) = match answer {
        Value::Array(mut found) => (found.pop().and_then(streams::bytes), true),
        answer => (streams::bytes(answer), false),
    };
    let claim = found.as_deref().and_then(pending::parse).map(|found| found.claimed_by(record));
    match claim {
        None if was_queued => Claim::New,
        Some(Claim::Same | Claim::Queued { .. }) if was_queued => Claim::Same,
        Some(claim @ Claim::Queued { .. }) => claim,
        // Left alone: it is another's, or cannot be read.
        _ => Claim::Other,
    }
}

async fn in_two_steps(
    connection: &Connection,
    shards: ShardCount,
    key: &EnvelopeKey,
    envelopes: &[&Envelope],
) -> Result<Vec<Result<Claim, QueueError>>, QueueError> {
    let keyed = envelopes.iter().filter(|envelope| envelope.job_id.is_of_key());
    let records: Vec<Pending> = keyed.map(|envelope| Pending::of(envelope)).collect();
    let mut claimed = pending::claim(connection, shards, &records).await?.into_iter();
    let of_job = |envelope: &&Envelope| {
        if envelope.job_id.is_of_key() { claimed.next().unwrap_or(Claim::New) } else { Claim::New }
    };
    let mut claims: Vec<Claim> = envelopes.iter().map(of_job).collect();
    leave_what_waits(connection, shards, envelopes, &mut claims).await;
    let is_left_alone = |claim: &Claim| matches!(claim, Claim::Queued { .. } | Claim::Other);
    let left = envelopes.iter().zip(&claims).filter(|(_, claim)| !is_left_alone(claim)).map(|(envelope, _)| *envelope);
    let mut queued = producer::enqueue(connection, shards, key, left, Arrival::New).await?.into_iter();
    let mut refused: Vec<JobId> = Vec::new();
    let mut answers = Vec::with_capacity(envelopes.len());
    for (envelope, claim) in envelopes.iter().zip(claims) {
        let answer = if is_left_alone(&claim) { Ok(()) } else { queued.next().unwrap_or_else(|| Err(no_answer())) };
        if answer.is_err() && claim == Claim::New {
            refused.push(envelope.job_id);
        }
        answers.push(answer.map(|()| claim));
    }
    if !refused.is_empty() {
        // Before the answer: a repetition that follows it must not lose its own. Where it fails, a claim ends by itself.
        let mut batch = Batch::default();
        pending::forget(shards, &refused, &mut batch);
        if !batch.is_empty()
            && let Err(error) = connection.run_all(batch).await
        {
            tracing::debug!(%error, "claims of jobs that were refused stay until they end");
        }
    }
    Ok(answers)
}

/// Of jobs that were queued before, those that are not seen to wait are to be queued again: the record is written before the
/// entry. So is one whose outcome somebody waits for: its entry says who is to be told.
async fn leave_what_waits(connection: &Connection, shards: ShardCount, envelopes: &[&Envelope], claims: &mut [Claim]) {
    let sought = |(envelope, claim): (&&Envelope, &Claim)| match claim {
        Claim::Queued { submitted_at } => Some(Sought {
            job_id: envelope.job_id,
            user_id: envelope.job.user_id.clone(),
            queued_at: envelope.job.due_at(*submitted_at),
        }),
        _ => None,
    };
    let all_sought: Vec<Sought> = envelopes.iter().zip(claims.iter()).filter_map(sought).collect();
    // Where the queue does not tell, its answer to the job itself counts.
    let mut waits = sought::waits(connection, shards, &all_sought).await.unwrap_or_default().into_iter();
    for (envelope, claim) in envelopes.iter().zip(claims) {
        if matches!(claim, Claim::Queued { .. }) && (!waits.next().unwrap_or(false) || envelope.reply_to.is_some()) {
            *claim = Claim::Same;
        }
    }
}
