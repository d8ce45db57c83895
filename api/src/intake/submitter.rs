//! From a request to answers for what it submits: jobs, or events, which are jobs as well. No inventory is looked at
//! here.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError as _, web};
use chrono::{DateTime, SubsecRound, Utc};
use satchel_forms::Pointer;
use satchel_model::access::{Actor, Role};
use satchel_model::ids::{EventId, JobId, RequestId, UserId};
use satchel_model::operations::Envelope;
use satchel_model::operations::{Job, Work};
use schemars::JsonSchema;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::http::prefer::{PREFERENCE_APPLIED, Wait};
use crate::http::problem::{ApiError, Problem};
use crate::intake::lookup::Known;
use crate::intake::waiting::Place;
use crate::intake::{self, Accepted, Draft, Intake};

/// The most jobs or events of one request.
const MAX_ENTRIES: usize = 1_000;
/// The most of them that a player may bring.
const MAX_PLAYER_ENTRIES: usize = 100;

/// How many faults an array's answer tells. Of further entries it says that they are refused, and no more: else it could
/// be a hundred times as long as what was sent.
const MAX_TOLD_FAULTS: usize = 50;
/// How long the faults may be before no further ones are told, in bytes.
const MAX_TOLD_BYTES: usize = 16 * 1024;

const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";

/// The most jobs or events of one request.
pub(crate) fn most_entries(role: Role) -> usize {
    match role {
        Role::Player => MAX_PLAYER_ENTRIES,
        Role::Service | Role::Operator => MAX_ENTRIES,
    }
}

/// Asks whether the caller may bring so many jobs now.
pub(crate) fn admission(
    intake: &web::Data<Intake>,
    caller: &Arc<Actor>,
) -> impl FnOnce(usize) -> Result<(), ApiError> + Send + 'static + use<> {
    let (intake, caller) = (intake.clone(), caller.clone());
    move |jobs| {
        intake.admission.admit(&caller, jobs).map_err(|seconds| {
            intake.meters.limited.increment(jobs as u64);
            ApiError::TooManyJobs { seconds }
        })
    }
}

/// The answer to one job or event, alone or as an entry of an array's answer.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    /// An event's id, as its sender calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<EventId>,
    job_id: JobId,
    status: &'static str,
    /// In an array's answer only, where one job's header has no place.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    idempotent_replayed: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'e> {
    Accepted(Receipt),
    Refused { problem: Problem<'e> },
}

/// The answer to an array: one member, `jobs` or `events`.
struct Entries<'e> {
    name: &'static str,
    entries: Vec<Entry<'e>>,
}

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = serializer.serialize_map(Some(1))?;
        document.serialize_entry(self.name, &self.entries)?;
        document.end()
    }
}

/// What all jobs of one request have in common.
pub(crate) struct Submitter<'r> {
    pub(crate) intake: &'r Intake,
    pub(crate) caller: &'r Arc<Actor>,
    request_id: RequestId,
    pub(crate) submitted_at: DateTime<Utc>,
}

impl<'r> Submitter<'r> {
    pub(crate) fn new(intake: &'r Intake, caller: &'r Arc<Actor>, request_id: RequestId) -> Self {
        Self { intake, caller, request_id, submitted_at: Utc::now().trunc_subsecs(6) }
    }

    /// A job that the caller may submit, ready to be taken in.
    pub(crate) fn draft(&self, job: Job, job_id: JobId, is_keyed: bool, at: Pointer) -> Result<Draft, ApiError> {
        job.check_submitter(self.caller)?;
        let has_room = self.has_room(&job.user_id);
        let envelope = Envelope {
            job_id,
            job,
            actor: Actor::clone(self.caller),
            request_id: self.request_id.clone(),
            submitted_at: self.submitted_at,
            reply_to: None,
            journaled: false,
        };
        Draft { envelope, is_keyed, at, objection: None }.judged(has_room)
    }

    /// Whether one more job of this user may wait.
    fn has_room(&self, user_id: &UserId) -> Result<(), ApiError> {
        self.intake.undecided.admit(user_id, self.caller.role).map_err(|seconds| {
            self.intake.meters.limited.increment(1);
            ApiError::TooManyUndecided { user_id: user_id.clone(), seconds }
        })
    }

    /// Takes one in, and waits for what comes of it as long as the caller would like to.
    pub(crate) async fn submit_one(&self, mut draft: Draft, wait: Option<Wait>) -> Result<HttpResponse, ApiError> {
        let event_id = event_id(&draft);
        // The place is taken before the job is queued, so that its outcome cannot be missed.
        let place = wait.map(|wait| (wait, self.intake.waiting.enter(draft.envelope.job_id, self.request_id.clone())));
        draft.envelope.reply_to = wait.map(|_| self.intake.replica);
        let mut accepted = intake::take(self.intake, vec![draft]).await?.pop().unwrap_or(Err(ApiError::Internal))?;

        let (location, is_replay) = (format!("/api/v1/jobs/{}", accepted.job_id), accepted.is_replay);
        let with_headers = |mut answer: HttpResponseBuilder| {
            answer.insert_header((header::LOCATION, location.as_str()));
            if is_replay {
                answer.insert_header((IDEMPOTENT_REPLAYED, "true"));
            }
            answer
        };
        if let Some((wait, place)) = place
            && let Some(document) = Box::pin(self.outcome(&mut accepted, place, wait)).await
        {
            let mut answer = with_headers(HttpResponse::Ok());
            answer.insert_header((PREFERENCE_APPLIED.clone(), wait.applied()));
            return Ok(answer.content_type(header::ContentType::json()).body(document));
        }
        Ok(with_headers(HttpResponse::Accepted()).json(Receipt::of(&accepted, event_id, false)))
    }

    /// The status document of a job that is decided in time.
    async fn outcome(&self, accepted: &mut Accepted, place: Place<'_>, wait: Wait) -> Option<String> {
        let heard = if accepted.is_settled() { None } else { place.wait(wait.duration()).await };
        if heard.is_none() && !accepted.is_settled() {
            // Perhaps its outcome is there and the message was lost, or it was parked meanwhile.
            accepted.look_again(&self.intake.lookup).await;
        }
        heard.map(|document| document.get().to_owned()).or_else(|| accepted.outcome())
    }

    /// Takes many in, each with its own answer, in their order, as the member `name`.
    pub(crate) async fn submit_many(
        &self,
        name: &'static str,
        entries: Vec<Result<Draft, ApiError>>,
    ) -> Result<HttpResponse, ApiError> {
        let mut drafts = Vec::with_capacity(entries.len());
        let mut places = Vec::with_capacity(entries.len());
        for entry in entries {
            places.push(entry.map(|draft| {
                let event_id = event_id(&draft);
                drafts.push(draft);
                event_id
            }));
        }
        let mut taken = intake::take(self.intake, drafts).await?.into_iter();
        let answers: Vec<Result<(Accepted, Option<EventId>), ApiError>> = places
            .into_iter()
            .map(|place| {
                let event_id = place?;
                Ok((taken.next().unwrap_or(Err(ApiError::Internal))?, event_id))
            })
            .collect();
        let is_refused =
            |answer: &&Result<_, ApiError>| answer.as_ref().is_err_and(|error| error.status_code().is_client_error());
        self.intake.meters.invalid.increment(answers.iter().filter(is_refused).count() as u64);
        let (mut told, mut told_bytes) = (0, 0);
        let mut entries = Vec::with_capacity(answers.len());
        for answer in &answers {
            entries.push(match answer {
                Ok((accepted, event_id)) => {
                    Entry::Accepted(Receipt::of(accepted, event_id.clone(), accepted.is_replay))
                }
                Err(error) if told < MAX_TOLD_FAULTS && told_bytes < MAX_TOLD_BYTES => {
                    told += error.faults();
                    told_bytes += error.fault_bytes();
                    Entry::Refused { problem: error.problem() }
                }
                Err(error) => Entry::Refused { problem: error.brief_problem() },
            });
        }
        Ok(HttpResponse::Accepted().json(Entries { name, entries }))
    }

    /// Counts a request that was refused as invalid.
    pub(crate) fn count(&self, answer: Result<HttpResponse, ApiError>) -> Result<HttpResponse, ApiError> {
        if let Err(ApiError::Invalid(_)) = &answer {
            self.intake.meters.invalid.increment(1);
        }
        answer
    }
}

impl Receipt {
    fn of(accepted: &Accepted, id: Option<EventId>, idempotent_replayed: bool) -> Self {
        let status = accepted.known.as_ref().map_or("queued", Known::status);
        Self { id, job_id: accepted.job_id, status, idempotent_replayed }
    }
}

/// What the sender calls an event.
fn event_id(draft: &Draft) -> Option<EventId> {
    match &draft.envelope.job.work {
        Work::SendEvent(event) => Some(event.fields.event_id.clone()),
        _ => None,
    }
}
