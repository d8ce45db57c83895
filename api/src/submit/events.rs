//! `POST /api/v1/events`: what happened in the game, one event or an array. Each is taken in as a job, in its user's
//! order with all others, so that it is told of once, and rewarded in the transaction that tells of it.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_shared::domain::JobId;
use satchel_shared::domain::catalogue::Catalogue;
use satchel_shared::jobs::{Job, SendEvent, Work};
use satchel_shared::json::{Node, Pointer};

use super::{Submitter, check_length};
use crate::auth::{Caller, permission};
use crate::body::{self, Limits};
use crate::intake::Draft;
use crate::parameters::Parameters;
use crate::prefer::Wait;
use crate::problem::ApiError;
use crate::request_id::Tagged;
use crate::state::State;

/// Takes one event or an array of them.
pub(crate) async fn submit(
    caller: Caller,
    Tagged(request_id): Tagged,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    permission::may_send_events(&caller)?;
    let body = body::read_json(&request, payload, Limits::JOBS).await?;
    Parameters::of(&request)?.finish()?;
    let submitter = Submitter::new(&state, &caller, request_id);
    let answer = match Node::parse(&body)? {
        Node::Array(nodes) => {
            check_length(nodes.len())?;
            let places = (0..nodes.len()).map(|index| Pointer::root().index(index));
            let drafts = submitter.draft_events(nodes.into_iter().zip(places).collect()).await?;
            Box::pin(submitter.submit_many("events", drafts)).await
        }
        node => {
            let mut drafts = submitter.draft_events(vec![(node, Pointer::root())]).await?;
            match drafts.pop().unwrap_or(Err(ApiError::Internal)) {
                Ok(draft) => submitter.submit_one(draft, Wait::of(&request)).await,
                Err(error) => Err(error),
            }
        }
    };
    submitter.count(answer)
}

impl Submitter<'_> {
    /// Reads events, each with its place, and asks whether the catalogue has such ones.
    ///
    /// # Errors
    /// 503 if the catalogue cannot be had.
    async fn draft_events(&self, nodes: Vec<(Node, Pointer)>) -> Result<Vec<Result<Draft, ApiError>>, ApiError> {
        let read = |(node, at): (Node, Pointer)| (SendEvent::parse_event(node, at.clone()), at);
        let events: Vec<_> = nodes.into_iter().map(read).collect();
        let fits =
            |catalogue: &Catalogue| events.iter().all(|(job, at)| check(job.as_ref().ok(), catalogue, at).is_ok());
        let mut catalogue = self.state.catalogue.recent().await?;
        if !fits(&catalogue) {
            // Perhaps it has just been replaced.
            catalogue = self.state.catalogue.latest().await?;
        }
        let draft = |(job, at): (Result<Job, _>, Pointer)| {
            let job = job.map_err(ApiError::Invalid)?;
            check(Some(&job), &catalogue, &at)?;
            let Work::SendEvent(event) = &job.work else { return Err(ApiError::Internal) };
            let job_id = JobId::of_event(&self.caller.to_string(), &event.fields.event_id);
            self.draft(job, job_id, true, at)
        };
        Ok(events.into_iter().map(draft).collect())
    }
}

/// Whether an event that could be read is as the catalogue has it.
fn check(job: Option<&Job>, catalogue: &Catalogue, at: &Pointer) -> Result<(), ApiError> {
    match job.map(|job| &job.work) {
        Some(Work::SendEvent(event)) => event.fields.check(catalogue, at).map_err(ApiError::Invalid),
        _ => Ok(()),
    }
}
