//! From a valid job to a place where it is safe, once per idempotency key: in the queue, or, with
//! `SATCHEL_JOURNAL=postgres`, in Postgres's journal first.
//!
//! A key names one job id ([`satchel_model::ids::JobId::of_key`]), so that a repetition meets what came of
//! the first submission in one of two places: decided or parked, in Postgres, or on its way, claimed in Redis or
//! in the journal. Where both forget, the worker finds the job id in its own table: the API only spares work and
//! answers sooner.

pub(crate) mod admission;
mod before;
pub(crate) mod clock;
pub(crate) mod current_catalogue;
mod feed;
pub(crate) mod gather;
mod journal;
mod journal_mode;
mod journaled;
pub(crate) mod journaling;
mod judge;
pub(crate) mod lookup;
mod meters;
mod queued;
pub(crate) mod read;
pub(crate) mod submitter;
pub(crate) mod undecided;
pub(crate) mod waiting;

use std::sync::Arc;

use satchel_forms::Pointer;
use satchel_model::ids::JobId;
use satchel_model::ids::ReplicaId;
use satchel_model::operations::Envelope;
use satchel_model::operations::{Job, Work};
use satchel_queue::Queue;
use satchel_store::waiting::WaitingStatus;
use satchel_wire::envelope::EnvelopeKey;

use self::admission::Admission;
use self::before::Before;
use self::current_catalogue::CurrentCatalogue;
use self::journaling::Journaling;
use self::lookup::{Known, Lookup};
use self::undecided::Undecided;
use self::waiting::WaitingRoom;
use crate::http::problem::ApiError;

pub(crate) use feed::Feed;
pub(crate) use journal::Journal;
pub use journal_mode::{InvalidJournalMode, JournalMode};
pub(crate) use meters::SubmissionMeters;

/// What submissions go through. Shared by all HTTP threads.
pub(crate) struct Intake {
    /// How many jobs each actor may bring.
    pub(crate) admission: Admission,
    /// How many jobs of each user wait.
    pub(crate) undecided: Undecided,
    /// What events are checked against.
    pub(crate) catalogue: Arc<CurrentCatalogue>,
    /// For jobs with idempotency keys.
    pub(crate) lookup: Lookup,
    pub(crate) queue: Arc<dyn Queue>,
    /// Whether accepted jobs are kept in the journal until they are decided, or in the queue alone.
    pub(crate) journaling: Arc<Journaling>,
    /// Signs what goes into the queue.
    pub(crate) envelope_key: EnvelopeKey,
    /// Where workers send the outcomes that somebody here waits for.
    pub(crate) replica: ReplicaId,
    pub(crate) waiting: WaitingRoom,
    pub(crate) meters: SubmissionMeters,
    /// Whether submissions without an idempotency key are refused.
    pub(crate) requires_idempotency_key: bool,
}

/// A valid job that its caller may submit.
pub(crate) struct Draft {
    pub(crate) envelope: Envelope,
    /// Whether its id comes from an idempotency key.
    pub(crate) is_keyed: bool,
    /// Its place in the request, for faults.
    pub(crate) at: Pointer,
    /// What today's rules have against it. A repetition of what was accepted is one all the same: rules are for what is
    /// new. Only drafts with a key have one.
    pub(crate) objection: Option<ApiError>,
}

impl Draft {
    /// The draft, with what today's rules say of it: the catalogue, a setting or a clock.
    ///
    /// # Errors
    /// Their objection, if the draft cannot be a repetition.
    pub(crate) fn judged(self, objection: Result<(), ApiError>) -> Result<Self, ApiError> {
        match objection {
            Err(error) if !self.is_keyed => Err(error),
            objection => Ok(Self { objection: objection.err().or(self.objection), ..self }),
        }
    }
}

/// A job that is kept until it is decided, or was decided before.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) job_id: JobId,
    /// Whether its key was used for it before.
    pub(crate) is_replay: bool,
    /// What Postgres knows of it, if it was decided or parked before.
    pub(crate) known: Option<Known>,
}

impl Accepted {
    /// Whether waiting is of no use: it is decided, or parked, and stays so until an operator does something about it.
    pub(crate) fn is_settled(&self) -> bool {
        match &self.known {
            Some(Known::Decided(_)) => true,
            Some(Known::Waiting(job)) => job.status == WaitingStatus::Parked,
            None => false,
        }
    }

    /// Its status document, if it is decided.
    pub(crate) fn outcome(&self) -> Option<String> {
        let Some(Known::Decided(record)) = &self.known else { return None };
        serde_json::to_string(record).ok()
    }

    /// Asks what Postgres knows of it now.
    pub(crate) async fn look_again(&mut self, lookup: &Lookup) {
        if let Some(known) = lookup.known(vec![self.job_id]).await.unwrap_or_default().remove(&self.job_id) {
            self.known = Some(known);
        }
    }
}

/// Takes drafts in, each with its own answer, in their order.
///
/// # Errors
/// 503 if what keeps jobs is away as a whole. Some drafts may then have been kept all the same; who repeats them
/// without a key may repeat their effect.
pub(crate) async fn take(intake: &Intake, drafts: Vec<Draft>) -> Result<Vec<Result<Accepted, ApiError>>, ApiError> {
    match intake.journaling.journal() {
        Some(journal) => Box::pin(journaled::take(intake, journal, drafts)).await,
        None => queued::take(intake, drafts).await,
    }
}

/// Where a draft stands, and what in it gives it its name.
struct Named {
    at: Pointer,
    is_event: bool,
}

impl Named {
    fn by(job: &Job, at: Pointer) -> Self {
        Self { at, is_event: matches!(job.work, Work::SendEvent(_)) }
    }

    /// That another one has the name.
    fn conflict(&self) -> ApiError {
        let (field, detail) = if self.is_event {
            ("id", "was used for another event before")
        } else {
            ("idempotencyKey", "was used for another job before")
        };
        ApiError::invalid(self.at.field(field), detail)
    }
}

#[cfg(test)]
mod allocation_tests;
#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use satchel_forms::Node;
    use satchel_model::access::{Actor, Role, Scopes};
    use satchel_model::ids::RequestId;
    use satchel_model::operations::Submission;
    use satchel_wire::Fresh;

    use super::*;

    #[test]
    fn only_what_may_be_a_repetition_outlives_what_todays_rules_have_against_it() {
        let draft = |is_keyed| {
            let text = br#"{"type":"use_item","userId":"u1","itemId":"key","notBefore":"2030-01-01T00:00:00Z"}"#;
            let envelope = Envelope {
                job_id: JobId::from(uuid::Uuid::now_v7()),
                job: Submission::parse(Node::parse(text).unwrap(), Pointer::root()).unwrap().job,
                actor: Actor::new(Role::Service, "game", Scopes::all()).unwrap(),
                request_id: RequestId::random(),
                submitted_at: DateTime::UNIX_EPOCH,
                reply_to: None,
                journaled: false,
            };
            Draft { envelope, is_keyed, at: Pointer::root(), objection: None }
        };
        let objection = || Err(ApiError::invalid(Pointer::root().field("notBefore"), "must be at most 90 days ahead"));
        assert!(matches!(draft(false).judged(objection()), Err(ApiError::Invalid(_))));
        assert!(matches!(draft(true).judged(objection()).unwrap().objection, Some(ApiError::Invalid(_))));
        let twice = draft(true).judged(objection()).and_then(|draft| draft.judged(Ok(())));
        assert!(twice.unwrap().objection.is_some(), "a second look takes nothing back");
        assert!(draft(false).judged(Ok(())).unwrap().objection.is_none());
    }
}
