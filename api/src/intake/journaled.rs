//! Jobs that are kept in the journal.

use super::journal::{self, Kept};
use super::judge::{self, Verdict};
use super::{Accepted, Before, Draft, Intake, Journal, Named};
use crate::http::problem::{ApiError, Store};

/// Journals the drafts' jobs and answers for each.
///
/// # Errors
/// 503 if none was kept.
pub(super) async fn take(
    intake: &Intake,
    journal: &Journal,
    drafts: Vec<Draft>,
) -> Result<Vec<Result<Accepted, ApiError>>, ApiError> {
    let verdicts = judge::judge(intake, &drafts).await?;
    let mut incoming = Vec::with_capacity(drafts.len());
    let mut rest = Vec::with_capacity(drafts.len());
    for (Draft { envelope, at, .. }, verdict) in drafts.into_iter().zip(verdicts) {
        rest.push((envelope.job_id, envelope.job.user_id.clone(), Named::by(&envelope.job, at), verdict.clone()));
        if let Verdict::Keep(_) = verdict {
            incoming.push(envelope);
        }
    }
    let mut kept =
        if incoming.is_empty() { Vec::new() } else { journal::keep(intake, journal, incoming).await? }.into_iter();
    let mut answers: Vec<Result<Accepted, ApiError>> = Vec::with_capacity(rest.len());
    for (job_id, user_id, named, verdict) in rest {
        answers.push(match verdict {
            Verdict::Keep(before) => match kept.next().unwrap_or(Err(ApiError::Internal)) {
                Ok(Kept::New) => {
                    intake.undecided.accepted(&user_id);
                    Ok(Accepted { job_id, is_replay: before != Before::Nothing, known: None })
                }
                Ok(Kept::Again) => Ok(Accepted { job_id, is_replay: true, known: None }),
                Ok(Kept::Other) => Err(named.conflict()),
                Err(error) => Err(error),
            },
            Verdict::Known(known) => Ok(Accepted { job_id, is_replay: true, known: Some(*known) }),
            Verdict::Refused(error) => Err(*error),
            Verdict::Unknown => Err(ApiError::Unavailable(Store::Database)),
            Verdict::Conflict => Err(named.conflict()),
            Verdict::Repeats(index) => {
                let first = answers.get(index).cloned().unwrap_or(Err(ApiError::Internal));
                first.map(|first| Accepted { is_replay: true, ..first })
            }
        });
    }
    Ok(answers)
}
