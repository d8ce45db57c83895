//! Finds out which drafts are repetitions, and of what, where a journal is kept.

use std::collections::HashMap;

use satchel_model::ids::JobId;
use satchel_queue::{Claim, Pending, QueueError};

use super::before::Before;
use super::{Draft, Intake, JournalMode};
use crate::http::problem::ApiError;
use crate::intake::lookup::Known;

/// What is to be done with one draft.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    /// Keep it.
    Keep(Before),
    /// It was decided or parked before.
    Known(Box<Known>),
    /// Its key names another job.
    Conflict,
    /// Nobody can tell now whether its key names another job.
    Unknown,
    /// It repeats the draft at this index.
    Repeats(usize),
    /// It is no repetition, and today's rules refuse it.
    Refused(Box<ApiError>),
}

/// A verdict for each draft. Those without a key are never repetitions.
///
/// # Errors
/// 503 if the queue must be asked and is away.
pub(super) async fn judge(intake: &Intake, drafts: &[Draft]) -> Result<Vec<Verdict>, ApiError> {
    let (verdicts, keyed) = compare(drafts);
    let keyed: Vec<(usize, &Draft)> = keyed.into_iter().filter_map(|index| Some((index, drafts.get(index)?))).collect();
    if keyed.is_empty() { Ok(verdicts) } else { Box::pin(judge_keyed(intake, verdicts, keyed)).await }
}

/// Completes the verdicts by those on drafts with keys, each with its index.
async fn judge_keyed(
    intake: &Intake,
    mut verdicts: Vec<Verdict>,
    keyed: Vec<(usize, &Draft)>,
) -> Result<Vec<Verdict>, ApiError> {
    let claims = claims(intake, &keyed).await?;
    // After the claims: those that were removed belonged to jobs that are now there.
    let known = intake.lookup.known(keyed.iter().map(|(_, draft)| draft.envelope.job_id).collect()).await;
    let mut needless = Vec::new();
    for ((index, draft), claim) in keyed.into_iter().zip(claims) {
        let job_id = draft.envelope.job_id;
        let mut verdict = match &known {
            Some(known) => of_key(draft, claim, known.get(&job_id).cloned()),
            None => of_claim(claim, Verdict::Unknown),
        };
        if let Some(objection) = draft.objection.clone() {
            // Nothing was claimed for it.
            if let (Claim::New, Verdict::Keep(_)) = (claim, &verdict) {
                verdict = Verdict::Refused(Box::new(objection));
            }
        } else if claim == Claim::New && !matches!(verdict, Verdict::Keep(_)) {
            needless.push(job_id);
        }
        if let Some(place) = verdicts.get_mut(index) {
            *place = verdict;
        }
    }
    if intake.journaling.set() == JournalMode::None {
        forget(intake, &needless).await;
    }
    Ok(verdicts)
}

/// Gives claims back. Where it fails, a claim stays until it ends by itself, and a repetition under the key still finds its
/// way.
async fn forget(intake: &Intake, job_ids: &[JobId]) {
    if !job_ids.is_empty()
        && let Err(error) = intake.queue.forget(job_ids).await
    {
        ApiError::of_queue(&error);
    }
}

/// What Redis says of the drafts' keys. Where this API is set to keep a journal, that tells them apart, and Redis is not asked. Where it
/// only follows others, jobs may wait in Redis that the journal does not know, and Redis may be missing.
async fn claims(intake: &Intake, keyed: &[(usize, &Draft)]) -> Result<Vec<Claim>, QueueError> {
    let unasked = || vec![Claim::New; keyed.len()];
    if intake.journaling.set() == JournalMode::Postgres {
        return Ok(unasked());
    }
    match claim(intake, keyed).await {
        Err(_) if intake.journaling.journal().is_some() => Ok(unasked()),
        claims => claims.inspect_err(|_| intake.meters.queue_unavailable.increment(1)),
    }
}

/// Claims the drafts' ids. Those that today's rules refuse are looked for only: of two such requests at a time, the
/// second would take the first one's claim for a job that was accepted.
async fn claim(intake: &Intake, keyed: &[(usize, &Draft)]) -> Result<Vec<Claim>, QueueError> {
    let pending = |is_refused: bool| -> Vec<Pending> {
        let drafts = keyed.iter().filter(|(_, draft)| draft.objection.is_some() == is_refused);
        drafts.map(|(_, draft)| Pending::of(&draft.envelope)).collect()
    };
    let refused = pending(true);
    if refused.is_empty() {
        return intake.queue.claim(&pending(false)).await;
    }
    let mut seen = intake.queue.look(&refused).await?.into_iter();
    let mut claims = intake.queue.claim(&pending(false)).await?.into_iter();
    let mut next = |draft: &Draft| if draft.objection.is_some() { seen.next() } else { claims.next() };
    Ok(keyed.iter().map(|(_, draft)| next(draft).unwrap_or(Claim::New)).collect())
}

/// Compares the drafts of one request with each other: a verdict for each, and the indices of those whose keys must
/// be looked up.
pub(super) fn compare(drafts: &[Draft]) -> (Vec<Verdict>, Vec<usize>) {
    let mut verdicts: Vec<Verdict> = Vec::with_capacity(drafts.len());
    let mut keyed = Vec::new();
    let mut first_of: HashMap<JobId, usize> = HashMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        if draft.objection.is_some() {
            // Unless it is a repetition of an earlier request, it is as if it were not there.
            verdicts.push(Verdict::Keep(Before::Nothing));
            keyed.push(index);
            continue;
        }
        let earlier = if draft.is_keyed { first_of.get(&draft.envelope.job_id).copied() } else { None };
        verdicts.push(match earlier.and_then(|first| Some((first, drafts.get(first)?))) {
            None => Verdict::Keep(Before::Nothing),
            Some((first, same)) if same.envelope.job == draft.envelope.job => Verdict::Repeats(first),
            Some(_) => Verdict::Conflict,
        });
        if draft.is_keyed && earlier.is_none() {
            first_of.insert(draft.envelope.job_id, index);
            keyed.push(index);
        }
    }
    (verdicts, keyed)
}

/// `known` is what Postgres knows of the job.
fn of_key(draft: &Draft, claim: Claim, known: Option<Known>) -> Verdict {
    match known {
        None => of_claim(claim, Verdict::Keep(Before::Nothing)),
        Some(known) if known.payload_hash() == draft.envelope.job.payload_hash() => Verdict::Known(Box::new(known)),
        Some(_) => Verdict::Conflict,
    }
}

/// What a claim says of a job that Postgres does not know.
fn of_claim(claim: Claim, new: Verdict) -> Verdict {
    match claim {
        Claim::New => new,
        // Kept once more: the request that claimed it may have ended before it had queued it.
        Claim::Same | Claim::Queued { .. } => Verdict::Keep(Before::Claimed),
        Claim::Other => Verdict::Conflict,
    }
}
