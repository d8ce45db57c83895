//! `POST /api/v1/webhooks/{endpointId}/ping`: a `webhook/ping` for this endpoint alone, delivered as every other event.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_model::domain::RunId;
use satchel_store::webhooks::operate;
use serde::Serialize;

use super::{find_enabled, id_of};
use crate::auth::operating::Operating;
use crate::http::deadline;
use crate::http::document::{document, nothing};
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::server::state::State;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pinged {
    run_id: RunId,
}

/// Tells of the ping, and answers which delivery it will be.
pub(crate) async fn ping(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    nothing(document(&request, payload).await?)?;
    Parameters::of(&request)?.finish()?;
    let endpoint = find_enabled(&state, id_of(&request)?).await?;
    let by = operating.by();
    let pinged = operate::ping(&state.pool, endpoint.endpoint_id, state.queue.shards(), &by);
    let run_id = deadline::answer(pinged).await?;
    Ok(HttpResponse::Accepted().json(Pinged { run_id }))
}
