//! `POST /api/v1/events`: what happened in the game, one event or an array. Each is taken in as a job, in its user's
//! order with all others, so that it is told of once, and rewarded in the transaction that tells of it.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web::Data;
use satchel_forms::Pointer;
use satchel_model::access::Role;
use satchel_model::catalogue::Catalogue;
use satchel_model::ids::{JobId, RequestId};
use satchel_model::operations::{Job, SendEvent, Work};

use crate::auth::{Access, Caller};
use crate::http::answer::Custom;
use crate::http::body::Limits;
use crate::http::extract::{Limited, NoQuery, RawBody};
use crate::http::offload;
use crate::http::prefer::Wait;
use crate::http::problem::ApiError;
use crate::intake::read::{self, Submitted};
use crate::intake::submitter::{Receipt, Submitter, admission, most_entries};
use crate::intake::{Draft, Intake};
use crate::routes::route::{Method, Route, handle};

/// Checking events that can make more work than this is done elsewhere, in subschemas applied to values: about a millisecond.
const MAX_WORK_HERE: u64 = 10_000;
/// The most work that one request's events may make, in the same unit: about a second. Those for which nothing is left are
/// to be sent again.
const MAX_WORK: u64 = 10_000_000;

pub(crate) static SEND: Route = Route {
    method: Method::Post,
    path: "/api/v1/events",
    operation: "sendEvents",
    access: Access::EventSenders,
    errors: &[429, 503],
    handler: || handle(send),
};

impl Limited for SendEvent {
    fn limits(role: Role) -> Limits {
        Limits::jobs(role)
    }
}

/// Takes one event or an array of them.
async fn send(
    Caller(caller): Caller,
    RawBody(body, _): RawBody<SendEvent>,
    _: NoQuery,
    (request, request_id): (HttpRequest, RequestId),
    intake: Data<Intake>,
) -> Result<Custom<Receipt, 202>, ApiError> {
    let submitter = Submitter::new(&intake, &caller, request_id);
    let answer =
        match read::submitted(body, most_entries(caller.role), admission(&intake, &caller), SendEvent::parse_event)
            .await?
        {
            Submitted::Many(events) => {
                let events = events.into_iter().enumerate().map(|(index, event)| (event, Pointer::root().index(index)));
                let drafts = submitter.draft_events(events.collect()).await?;
                Box::pin(submitter.submit_many("events", drafts)).await
            }
            Submitted::One(event) => {
                let mut drafts = submitter.draft_events(vec![(event, Pointer::root())]).await?;
                match drafts.pop().unwrap_or(Err(ApiError::Internal)) {
                    Ok(draft) => submitter.submit_one(draft, Wait::of(&request)).await,
                    Err(error) => Err(error),
                }
            }
        };
    submitter.count(answer).map(Custom::from)
}

/// An event as it was read, and its place in the request.
type Read = (Result<Job, ApiError>, Pointer);

impl Submitter<'_> {
    /// Asks whether the catalogue has such events.
    ///
    /// # Errors
    /// 503 if the catalogue cannot be had.
    async fn draft_events(&self, events: Vec<Read>) -> Result<Vec<Result<Draft, ApiError>>, ApiError> {
        let recent = self.intake.catalogue.recent().await?;
        let (mut events, mut verdicts) = check(events, Arc::clone(&recent)).await?;
        if verdicts.iter().any(Result::is_err) {
            // Perhaps it has just been replaced.
            let latest = self.intake.catalogue.latest().await?;
            if !Arc::ptr_eq(&recent, &latest) {
                (events, verdicts) = check(events, latest).await?;
            }
        }
        let draft = |((job, at), verdict): (Read, Result<(), ApiError>)| {
            let job = job?;
            let Work::SendEvent(event) = &job.work else { return Err(ApiError::Internal) };
            let job_id = JobId::of_event(&self.caller.to_string(), &event.fields.event_id);
            self.draft(job, job_id, true, at)?.judged(verdict)
        };
        Ok(events.into_iter().zip(verdicts).map(draft).collect())
    }
}

/// Whether the events that could be read are as the catalogue has them.
async fn check(
    events: Vec<Read>,
    catalogue: Arc<Catalogue>,
) -> Result<(Vec<Read>, Vec<Result<(), ApiError>>), ApiError> {
    let work: Vec<u64> =
        events.iter().map(|(job, _)| job.as_ref().map_or(0, |job| job.work.checks(&catalogue))).collect();
    let is_long = work.iter().copied().fold(0, u64::saturating_add) > MAX_WORK_HERE;
    offload::run(is_long, move || {
        let mut rest = MAX_WORK;
        let check = |((job, at), work): (&Read, u64)| {
            let Ok(Job { work: Work::SendEvent(event), .. }) = job else { return Ok(()) };
            rest = rest.checked_sub(work).ok_or(ApiError::Busy)?;
            event.fields.check(&catalogue, at).map_err(ApiError::Invalid)
        };
        let verdicts = events.iter().zip(work).map(check).collect();
        (events, verdicts)
    })
    .await
}
