//! Jobs that are kept in the queue alone.
//!
//! A job with a key is queued in the same step in which its id is found to be free, and only then Postgres is asked whether
//! it was decided before: whoever finds no record in Redis finds the row, since records are removed after the commit. What
//! was queued though Postgres knows it has no effect: the worker finds the row as well.

use std::collections::HashMap;

use satchel_model::ids::JobId;
use satchel_model::operations::Envelope;
use satchel_queue::{Claim, Pending, QueueError};

use super::judge::{self, Verdict};
use super::lookup::Known;
use super::{Accepted, Draft, Intake, Named};
use crate::http::problem::{ApiError, Store};

/// What came of giving one draft to the queue.
enum Given {
    /// It was not given: it repeats or contradicts another one of the request.
    Not,
    /// It was looked for only: today's rules refuse it, unless it is a repetition.
    Looked(Claim),
    Answered(Result<Claim, QueueError>),
}

/// Queues the drafts' jobs and answers for each. Where no answer came, a job may be queued: a repetition under its key finds
/// it, and many repetitions are one job.
///
/// # Errors
/// 503 if none was queued.
pub(super) async fn take(intake: &Intake, drafts: Vec<Draft>) -> Result<Vec<Result<Accepted, ApiError>>, ApiError> {
    let (verdicts, keyed) = judge::compare(&drafts);
    let given = give(intake, &drafts, &verdicts).await.inspect_err(|_| intake.meters.queue_unavailable.increment(1))?;
    check_any_is_queued(intake, &given)?;
    let known = if keyed.is_empty() {
        Some(HashMap::new())
    } else {
        let ids = keyed.iter().filter_map(|index| drafts.get(*index)).map(|draft| draft.envelope.job_id);
        Box::pin(intake.lookup.known(ids.collect())).await
    };
    Box::pin(take_back_delayed(intake, &drafts, &given, known.as_ref())).await;
    let mut answers: Vec<Result<Accepted, ApiError>> = Vec::with_capacity(drafts.len());
    for ((draft, verdict), given) in drafts.into_iter().zip(verdicts).zip(given) {
        answers.push(match verdict {
            Verdict::Repeats(index) => {
                let first = answers.get(index).cloned().unwrap_or(Err(ApiError::Internal));
                first.map(|first| Accepted { is_replay: true, ..first })
            }
            Verdict::Conflict => Err(Named::by(&draft.envelope.job, draft.at).conflict()),
            _ => answer(intake, draft, given, known.as_ref()),
        });
    }
    Ok(answers)
}

/// Gives the queue what today's rules allow, and what they refuse if it was queued before. Of two requests at a time that are
/// refused, the second would else take the first one's for a job that was accepted.
async fn give(intake: &Intake, drafts: &[Draft], verdicts: &[Verdict]) -> Result<Vec<Given>, QueueError> {
    let mut given: Vec<Given> = Vec::with_capacity(drafts.len());
    given.resize_with(drafts.len(), || Given::Not);
    if drafts.iter().any(|draft| draft.objection.is_some()) {
        Box::pin(look(intake, drafts, &mut given)).await?;
    }
    let is_to_go = |(verdict, given): (&Verdict, &Given)| match given {
        Given::Looked(claim) => matches!(claim, Claim::Queued { .. }),
        _ => matches!(verdict, Verdict::Keep(_)),
    };
    let going: Vec<bool> = verdicts.iter().zip(&given).map(is_to_go).collect();
    let envelopes: Vec<&Envelope> =
        drafts.iter().zip(&going).filter(|(_, goes)| **goes).map(|(draft, _)| &draft.envelope).collect();
    if !envelopes.is_empty() {
        let mut answers = intake.queue.submit(&intake.envelope_key, &envelopes).await?.into_iter();
        for (place, _) in given.iter_mut().zip(going).filter(|(_, goes)| *goes) {
            *place = answers.next().map_or(Given::Not, Given::Answered);
        }
    }
    Ok(given)
}

/// Takes delayed jobs out of the queue again that Postgres knows: they would wait there until they are due, for nothing.
async fn take_back_delayed(intake: &Intake, drafts: &[Draft], given: &[Given], known: Option<&HashMap<JobId, Known>>) {
    for (Draft { envelope, .. }, given) in drafts.iter().zip(given) {
        let is_new = matches!(given, Given::Answered(Ok(Claim::New)));
        let is_known = || known.is_some_and(|known| known.contains_key(&envelope.job_id));
        if is_new
            && envelope.job.not_before.is_some()
            && is_known()
            && let Err(error) = intake.queue.withdraw(&envelope.job.user_id, envelope.job_id).await
        {
            ApiError::of_queue(&error);
        }
    }
}

/// Looks for jobs that today's rules refuse.
async fn look(intake: &Intake, drafts: &[Draft], given: &mut [Given]) -> Result<(), QueueError> {
    let refused: Vec<Pending> =
        drafts.iter().filter(|draft| draft.objection.is_some()).map(|draft| Pending::of(&draft.envelope)).collect();
    let mut seen = intake.queue.look(&refused).await?.into_iter();
    for (place, _) in given.iter_mut().zip(drafts).filter(|(_, draft)| draft.objection.is_some()) {
        *place = seen.next().map_or(Given::Not, Given::Looked);
    }
    Ok(())
}

fn check_any_is_queued(intake: &Intake, given: &[Given]) -> Result<(), ApiError> {
    let is_refused = |given: &Given| matches!(given, Given::Answered(Err(_)));
    if !given.iter().any(is_refused) {
        return Ok(());
    }
    intake.meters.queue_unavailable.increment(1);
    for error in
        given.iter().filter_map(|given| if let Given::Answered(Err(error)) = given { Some(error) } else { None })
    {
        ApiError::of_queue(error);
    }
    let is_taken = |given: &Given| matches!(given, Given::Answered(Ok(_)));
    if given.iter().any(is_taken) { Ok(()) } else { Err(ApiError::Unavailable(Store::Queue)) }
}

/// The answer for one draft that neither repeats nor contradicts another one of its request. `known` is what Postgres knows of
/// jobs with keys; nothing if it did not tell.
fn answer(
    intake: &Intake,
    draft: Draft,
    given: Given,
    known: Option<&HashMap<JobId, Known>>,
) -> Result<Accepted, ApiError> {
    let Draft { envelope: Envelope { job_id, job, .. }, is_keyed, at, objection } = draft;
    let claim = match given {
        Given::Not => return Err(ApiError::Internal),
        Given::Looked(claim) => claim,
        Given::Answered(answer) => {
            let claim = answer.as_ref().map_err(|_| ApiError::Unavailable(Store::Queue))?;
            if matches!(claim, Claim::New | Claim::Same) {
                intake.meters.accepted(job.work.name());
                intake.undecided.accepted(&job.user_id);
            }
            *claim
        }
    };
    if is_keyed && let Some(known) = known.and_then(|known| known.get(&job_id)) {
        return if known.payload_hash() == job.payload_hash() {
            Ok(Accepted { job_id, is_replay: true, known: Some(known.clone()) })
        } else {
            Err(Named::by(&job, at).conflict())
        };
    }
    match (claim, objection) {
        // Perhaps it was decided before, and for another job.
        (Claim::New, _) if is_keyed && known.is_none() => Err(ApiError::Unavailable(Store::Database)),
        (Claim::New, Some(objection)) => Err(objection),
        (Claim::New, None) => Ok(Accepted { job_id, is_replay: false, known: None }),
        (Claim::Same | Claim::Queued { .. }, _) => Ok(Accepted { job_id, is_replay: true, known: None }),
        (Claim::Other, _) => Err(Named::by(&job, at).conflict()),
    }
}
