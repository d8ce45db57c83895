//! Finds out which drafts are repetitions, and of what.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use satchel_shared::domain::JobId;
use satchel_shared::queue::{Claim, Pending};

use super::{Draft, enqueue};
use crate::lookup::Known;
use crate::problem::ApiError;
use crate::state::State;

/// What an earlier request has done for a draft that is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing that is known of.
    Nothing,
    /// It has claimed its key.
    Claimed,
    /// It has claimed its key, and perhaps queued the job.
    Queued {
        /// When it was accepted.
        submitted_at: DateTime<Utc>,
    },
}

/// What is to be done with one draft.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    /// Keep it.
    Keep(Before),
    /// It was decided or set aside before.
    Known(Box<Known>),
    /// Its key names another job.
    Conflict,
    /// Nobody can tell now whether its key names another job.
    Unknown,
    /// It repeats the draft at this index.
    Repeats(usize),
}

/// A verdict for each draft. Those without a key are never repetitions.
///
/// # Errors
/// 503 if the queue must be asked and is away.
pub(super) async fn judge(state: &State, drafts: &[Draft]) -> Result<Vec<Verdict>, ApiError> {
    let (verdicts, keyed) = compare(drafts);
    let keyed: Vec<(usize, &Draft)> = keyed.into_iter().filter_map(|index| Some((index, drafts.get(index)?))).collect();
    if keyed.is_empty() { Ok(verdicts) } else { Box::pin(judge_keyed(state, verdicts, keyed)).await }
}

/// Completes the verdicts by those on drafts with keys, each with its index.
async fn judge_keyed(
    state: &State,
    mut verdicts: Vec<Verdict>,
    keyed: Vec<(usize, &Draft)>,
) -> Result<Vec<Verdict>, ApiError> {
    let claims = if state.journal.is_some() {
        // The journal itself tells keys apart.
        vec![Claim::New; keyed.len()]
    } else {
        let pending: Vec<Pending> = keyed.iter().map(|(_, draft)| Pending::of(&draft.envelope)).collect();
        state.queue.claim(&pending).await.inspect_err(|_| state.meters.queue_unavailable.increment(1))?
    };
    // After the claims: those that were removed belonged to jobs that are now there.
    let mut known = state.lookup.known(keyed.iter().map(|(_, draft)| draft.envelope.job_id).collect()).await;
    let mut needless = Vec::new();
    for ((index, draft), claim) in keyed.into_iter().zip(claims) {
        let job_id = draft.envelope.job_id;
        let verdict = match &mut known {
            Some(known) => of_key(draft, claim, known.remove(&job_id)),
            None => of_claim(claim, Verdict::Unknown),
        };
        if claim == Claim::New && !matches!(verdict, Verdict::Keep(_)) {
            needless.push(job_id);
        }
        if let Some(place) = verdicts.get_mut(index) {
            *place = verdict;
        }
    }
    if state.journal.is_none() {
        enqueue::forget(state, &needless).await;
    }
    Ok(verdicts)
}

/// Compares the drafts of one request with each other: a verdict for each, and the indices of those whose keys must
/// be looked up.
fn compare(drafts: &[Draft]) -> (Vec<Verdict>, Vec<usize>) {
    let mut verdicts: Vec<Verdict> = Vec::with_capacity(drafts.len());
    let mut keyed = Vec::new();
    let mut first_of: HashMap<JobId, usize> = HashMap::new();
    for (index, draft) in drafts.iter().enumerate() {
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
        Claim::Same => Verdict::Keep(Before::Claimed),
        Claim::Queued { submitted_at } => Verdict::Keep(Before::Queued { submitted_at }),
        Claim::Other => Verdict::Conflict,
    }
}
