//! Keeping jobs in the queue alone.

use satchel_model::ids::JobId;
use satchel_model::operations::Envelope;
use satchel_queue::Sought;

use super::before::Before;
use super::{Incoming, Intake, Kept};
use crate::http::problem::{ApiError, Store};

/// Queues the jobs and answers for each. What Redis refused gives its claim back, unless an earlier request made it.
/// Where no answer came, the job may be queued: its claim stays, and a repetition queues it again, unless it is seen to
/// wait already: many repetitions are one job.
///
/// # Errors
/// 503 if none was queued.
pub(super) async fn enqueue(intake: &Intake, incoming: Vec<Incoming>) -> Result<Vec<Result<Kept, ApiError>>, ApiError> {
    let is_queued = |incoming: &Incoming| matches!(incoming.before, Before::Queued { .. });
    if !incoming.iter().any(is_queued) {
        return enqueue_all(intake, incoming).await;
    }
    let waits = Box::pin(waits(intake, &incoming)).await;
    let left = incoming.into_iter().zip(&waits).filter(|(_, waits)| !**waits).map(|(incoming, _)| incoming).collect();
    let mut queued = Box::pin(enqueue_all(intake, left)).await?.into_iter();
    let next = |waits| if waits { Ok(Kept::Again) } else { queued.next().unwrap_or(Err(ApiError::Internal)) };
    Ok(waits.into_iter().map(next).collect())
}

/// Which jobs are seen to wait. One whose outcome somebody waits for is queued again: its entry says who is to be told.
async fn waits(intake: &Intake, incoming: &[Incoming]) -> Vec<bool> {
    let sought = |incoming: &Incoming| match incoming.before {
        Before::Queued { submitted_at } if incoming.envelope.reply_to.is_none() => Some(Sought {
            job_id: incoming.envelope.job_id,
            user_id: incoming.envelope.job.user_id.clone(),
            queued_at: incoming.envelope.job.due_at(submitted_at),
        }),
        _ => None,
    };
    let sought: Vec<Option<Sought>> = incoming.iter().map(sought).collect();
    let asked: Vec<Sought> = sought.iter().flatten().cloned().collect();
    // Where the queue does not tell, its answer to the job itself counts.
    let mut found = intake.queue.waits(&asked).await.unwrap_or_default().into_iter();
    sought.iter().map(|sought| sought.is_some() && found.next().unwrap_or(false)).collect()
}

async fn enqueue_all(intake: &Intake, incoming: Vec<Incoming>) -> Result<Vec<Result<Kept, ApiError>>, ApiError> {
    if incoming.is_empty() {
        return Ok(Vec::new());
    }
    let (befores, envelopes): (Vec<Before>, Vec<Envelope>) =
        incoming.into_iter().map(|incoming| (incoming.before, incoming.envelope)).unzip();
    let queued = intake.queue.enqueue(&intake.envelope_key, &envelopes).await;
    let results = queued.inspect_err(|_| intake.meters.queue_unavailable.increment(1))?;
    let answers: Vec<Result<Kept, ApiError>> =
        results.iter().map(|result| result.as_ref().map(|()| Kept::New).map_err(ApiError::of_queue)).collect();
    let mut refused = Vec::new();
    for ((envelope, before), answer) in envelopes.iter().zip(befores).zip(&answers) {
        if answer.is_ok() {
            intake.meters.accepted(envelope.job.work.name());
        } else if before == Before::Nothing {
            refused.push(envelope.job_id);
        }
    }
    if answers.iter().all(Result::is_ok) {
        return Ok(answers);
    }
    intake.meters.queue_unavailable.increment(1);
    Box::pin(forget(intake, &refused)).await;
    if answers.iter().any(Result::is_ok) { Ok(answers) } else { Err(ApiError::Unavailable(Store::Queue)) }
}

/// Gives claims back, before the answer: a repetition that follows it must not lose its own. Where it fails, a claim
/// stays until it ends by itself, and a repetition under the key still finds its way.
pub(super) async fn forget(intake: &Intake, job_ids: &[JobId]) {
    if !job_ids.is_empty()
        && let Err(error) = intake.queue.forget(job_ids).await
    {
        ApiError::of_queue(&error);
    }
}
