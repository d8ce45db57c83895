//! `POST /api/v1/functions/{functionId}/pause` and `/resume`: whether a function's runs begin. Its events become runs all
//! the same.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_model::domain::{FunctionId, Reason};
use satchel_store::functions::backlog::Pause;
use satchel_store::functions::pause as store;
use serde::Serialize;

use super::function;
use crate::deadline;
use crate::document::{self, Stated};
use crate::operating::Operating;
use crate::parameters::Parameters;
use crate::problem::ApiError;
use crate::state::State;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Paused {
    function_id: FunctionId,
    #[serde(flatten)]
    pause: Pause,
}

/// Lets no run of the function begin, on whatever worker, until it is resumed. What goes on when this is answered ends.
pub(crate) async fn pause(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    set(true, &operating, &request, payload, &state).await
}

/// Lets the function's runs begin again.
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
    let function_id = function(state, request).await?;
    let by = operating.by();
    let set = store::set(&state.pool, &function_id, paused, reason.as_ref().map(Reason::as_str), &by);
    let pause = deadline::answer(set).await?.ok_or(ApiError::NotFound)?;
    tracing::warn!(function.id = %function_id, paused, actor = by.actor, request.id = by.request_id, "a function was paused or resumed");
    Ok(HttpResponse::Ok().json(Paused { function_id, pause }))
}
