//! `POST /api/v1/queues/pause` and `/resume`: whether jobs are applied. They are accepted all the same.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use satchel_model::domain::Reason;
use satchel_store::queue_state::{self, QueueState};
use serde::Serialize;

use super::NAME;
use crate::deadline;
use crate::document::{self, Stated};
use crate::operating::Operating;
use crate::parameters::Parameters;
use crate::problem::ApiError;
use crate::state::State;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueView<'a> {
    queue: &'static str,
    paused: bool,
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    changed_at: Option<DateTime<Utc>>,
    changed_by: Option<&'a str>,
    reason: Option<&'a str>,
}

/// Lets nothing be applied, by whatever worker, until the queue is resumed. When this is answered, no batch is under
/// way any more.
pub(crate) async fn pause(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    set(true, &operating, &request, payload, &state).await
}

/// Lets jobs be applied again.
pub(crate) async fn resume(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    set(false, &operating, &request, payload, &state).await
}

async fn set(
    paused: bool,
    operating: &Operating,
    request: &HttpRequest,
    payload: web::Payload,
    state: &State,
) -> Result<HttpResponse, ApiError> {
    let document = document::document(request, payload).await?;
    Parameters::of(request)?.finish()?;
    let Stated { reason } = document::read(document)?;

    let by = operating.by();
    let reason = reason.as_ref().map(Reason::as_str);
    let changed = deadline::answer(queue_state::set(&state.pool, paused, reason, &by)).await?;
    tracing::warn!(paused, actor = by.actor, request.id = by.request_id, "the queue was paused or resumed");
    Ok(HttpResponse::Ok().json(QueueView::of(&changed)))
}

impl<'a> QueueView<'a> {
    fn of(state: &'a QueueState) -> Self {
        Self {
            queue: NAME,
            paused: state.is_paused,
            changed_at: state.changed_at,
            changed_by: state.changed_by.as_deref(),
            reason: state.reason.as_deref(),
        }
    }
}
