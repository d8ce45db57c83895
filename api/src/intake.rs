//! From a valid job to a place in the queue, once per idempotency key.
//!
//! A key names one job id ([`satchel_shared::domain::JobId::of_key`]), so that a repetition meets what came of
//! the first submission in one of two places: decided, in Postgres, or on its way, claimed in Redis. Where both
//! forget, the worker finds the job id in its own table: the API only spares work and answers sooner.

use std::collections::HashMap;

use satchel_shared::domain::JobId;
use satchel_shared::envelope::Envelope;
use satchel_shared::json::Pointer;
use satchel_shared::queue::{Claim, Pending};
use satchel_shared::store::jobs::JobRecord;

use crate::problem::{ApiError, Store};
use crate::state::State;

/// A valid job that its caller may submit.
pub(crate) struct Draft {
    pub(crate) envelope: Envelope,
    /// Whether its id comes from an idempotency key.
    pub(crate) is_keyed: bool,
    /// Its place in the request, for faults.
    pub(crate) at: Pointer,
}

/// A job that is queued or was decided before.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) job_id: JobId,
    /// Whether its key was used for it before.
    pub(crate) is_replay: bool,
    /// What came of it, if it was decided before.
    pub(crate) decided: Option<JobRecord>,
}

/// What is to be done with one draft.
enum Verdict {
    /// Queue it; `is_replay` says that an earlier request has claimed its key.
    Enqueue { is_replay: bool },
    /// It was decided before.
    Decided(JobRecord),
    /// Its key names another job.
    Conflict,
    /// Nobody can tell now whether its key names another job.
    Unknown,
    /// It repeats the draft at this index.
    Repeats(usize),
}

/// Takes drafts in, each with its own answer, in their order.
///
/// # Errors
/// 503 if the queue as a whole is away. Some drafts may then have been queued all the same; who repeats them
/// without a key may repeat their effect.
pub(crate) async fn take(state: &State, drafts: Vec<Draft>) -> Result<Vec<Result<Accepted, ApiError>>, ApiError> {
    let verdicts = judge(state, &drafts).await?;
    let mut envelopes = Vec::with_capacity(drafts.len());
    let mut replays = Vec::new();
    let mut rest = Vec::with_capacity(drafts.len());
    for (draft, verdict) in drafts.into_iter().zip(verdicts) {
        rest.push((draft.envelope.job_id, draft.at, verdict));
        if let Some((job_id, _, Verdict::Enqueue { is_replay })) = rest.last() {
            if *is_replay {
                replays.push(*job_id);
            }
            envelopes.push(draft.envelope);
        }
    }
    let mut queued = enqueue(state, &envelopes, &replays).await?.into_iter();
    let mut answers: Vec<Result<Accepted, ApiError>> = Vec::with_capacity(rest.len());
    for (job_id, at, verdict) in rest {
        answers.push(match verdict {
            Verdict::Enqueue { is_replay } => {
                let queued = queued.next().unwrap_or(Err(ApiError::Unavailable(Store::Queue)));
                queued.map(|()| Accepted { job_id, is_replay, decided: None })
            }
            Verdict::Decided(record) => Ok(Accepted { job_id, is_replay: true, decided: Some(record) }),
            Verdict::Unknown => Err(ApiError::Unavailable(Store::Database)),
            Verdict::Conflict => Err(ApiError::invalid(at.field("idempotencyKey"), "was used for another job before")),
            Verdict::Repeats(index) => {
                let first = answers.get(index).cloned().unwrap_or(Err(ApiError::Internal));
                first.map(|first| Accepted { is_replay: true, ..first })
            }
        });
    }
    Ok(answers)
}

/// Finds out which drafts are repetitions. Those without a key never are.
async fn judge(state: &State, drafts: &[Draft]) -> Result<Vec<Verdict>, ApiError> {
    let mut verdicts: Vec<Verdict> = Vec::with_capacity(drafts.len());
    let mut first_of: HashMap<JobId, usize> = HashMap::new();
    let mut keyed: Vec<(usize, Pending)> = Vec::new();
    for (index, draft) in drafts.iter().enumerate() {
        let earlier = if draft.is_keyed { first_of.get(&draft.envelope.job_id).copied() } else { None };
        verdicts.push(match earlier.and_then(|first| Some((first, drafts.get(first)?))) {
            None => Verdict::Enqueue { is_replay: false },
            Some((first, same)) if same.envelope.job == draft.envelope.job => Verdict::Repeats(first),
            Some(_) => Verdict::Conflict,
        });
        if draft.is_keyed && earlier.is_none() {
            first_of.insert(draft.envelope.job_id, index);
            keyed.push((index, Pending::of(&draft.envelope)));
        }
    }
    if keyed.is_empty() {
        return Ok(verdicts);
    }
    let (indices, pending): (Vec<_>, Vec<_>) = keyed.into_iter().unzip();
    let claims = state.queue.claim(&pending).await.inspect_err(|_| state.meters.queue_unavailable.increment(1))?;
    let mut decided = state.lookup.decided(pending.iter().map(|pending| pending.job_id).collect()).await;
    let mut needless = Vec::new();
    for (index, claim) in indices.into_iter().zip(claims) {
        let (Some(draft), Some(verdict)) = (drafts.get(index), verdicts.get_mut(index)) else { continue };
        let job_id = draft.envelope.job_id;
        *verdict = match (decided.as_mut().map(|decided| decided.remove(&job_id)), claim) {
            (Some(Some(record)), claim) => {
                if claim == Claim::New {
                    needless.push(job_id);
                }
                let is_same = record.payload_hash == draft.envelope.job.payload_hash();
                if is_same { Verdict::Decided(record) } else { Verdict::Conflict }
            }
            (_, Claim::Other) => Verdict::Conflict,
            // Queued once more: the request that claimed it may have ended before it had queued it.
            (_, Claim::Same) => Verdict::Enqueue { is_replay: true },
            (Some(None), Claim::New) => Verdict::Enqueue { is_replay: false },
            (None, Claim::New) => {
                needless.push(job_id);
                Verdict::Unknown
            }
        };
    }
    forget(state, &needless).await;
    Ok(verdicts)
}

/// Queues the jobs and answers for each. What Redis refused gives its claim back, unless an earlier request made it
/// (`replays`). Where no answer came, the job may be queued: its claim stays, and a repetition queues it again.
///
/// # Errors
/// 503 if none was queued.
async fn enqueue(
    state: &State,
    envelopes: &[Envelope],
    replays: &[JobId],
) -> Result<Vec<Result<(), ApiError>>, ApiError> {
    if envelopes.is_empty() {
        return Ok(Vec::new());
    }
    let queued = state.queue.enqueue(&state.envelope_key, envelopes).await;
    let results = queued.inspect_err(|_| state.meters.queue_unavailable.increment(1))?;
    let answers: Vec<Result<(), ApiError>> =
        results.iter().map(|result| result.as_ref().copied().map_err(ApiError::of_queue)).collect();
    let mut refused = Vec::new();
    for (envelope, answer) in envelopes.iter().zip(&answers) {
        if answer.is_ok() {
            state.meters.accepted(envelope.job.work.type_name());
        } else if !replays.contains(&envelope.job_id) {
            refused.push(envelope.job_id);
        }
    }
    if refused.is_empty() && answers.iter().all(Result::is_ok) {
        return Ok(answers);
    }
    state.meters.queue_unavailable.increment(1);
    forget(state, &refused).await;
    if answers.iter().any(Result::is_ok) { Ok(answers) } else { Err(ApiError::Unavailable(Store::Queue)) }
}

/// Gives claims back, before the answer: a repetition that follows it must not lose its own. Where it fails, a claim
/// stays until it ends by itself, and a repetition under the key still finds its way.
async fn forget(state: &State, job_ids: &[JobId]) {
    if !job_ids.is_empty()
        && let Err(error) = state.queue.forget(job_ids).await
    {
        ApiError::of_queue(&error);
    }
}
