//! Keeping jobs in the queue alone.

use satchel_shared::domain::JobId;
use satchel_shared::envelope::Envelope;

use super::{Incoming, Kept};
use crate::problem::{ApiError, Store};
use crate::state::State;

/// Queues the jobs and answers for each. What Redis refused gives its claim back, unless an earlier request made it.
/// Where no answer came, the job may be queued: its claim stays, and a repetition queues it again.
///
/// # Errors
/// 503 if none was queued.
pub(super) async fn enqueue(state: &State, incoming: Vec<Incoming>) -> Result<Vec<Result<Kept, ApiError>>, ApiError> {
    let (replays, envelopes): (Vec<bool>, Vec<Envelope>) =
        incoming.into_iter().map(|incoming| (incoming.is_replay, incoming.envelope)).unzip();
    let queued = state.queue.enqueue(&state.envelope_key, &envelopes).await;
    let results = queued.inspect_err(|_| state.meters.queue_unavailable.increment(1))?;
    let answers: Vec<Result<Kept, ApiError>> =
        results.iter().map(|result| result.as_ref().map(|()| Kept::New).map_err(ApiError::of_queue)).collect();
    let mut refused = Vec::new();
    for ((envelope, is_replay), answer) in envelopes.iter().zip(replays).zip(&answers) {
        if answer.is_ok() {
            state.meters.accepted(envelope.job.work.type_name());
        } else if !is_replay {
            refused.push(envelope.job_id);
        }
    }
    if answers.iter().all(Result::is_ok) {
        return Ok(answers);
    }
    state.meters.queue_unavailable.increment(1);
    Box::pin(forget(state, &refused)).await;
    if answers.iter().any(Result::is_ok) { Ok(answers) } else { Err(ApiError::Unavailable(Store::Queue)) }
}

/// Gives claims back, before the answer: a repetition that follows it must not lose its own. Where it fails, a claim
/// stays until it ends by itself, and a repetition under the key still finds its way.
pub(super) async fn forget(state: &State, job_ids: &[JobId]) {
    if !job_ids.is_empty()
        && let Err(error) = state.queue.forget(job_ids).await
    {
        ApiError::of_queue(&error);
    }
}
