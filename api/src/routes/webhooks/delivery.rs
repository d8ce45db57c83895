//! `POST /api/v1/webhooks/{endpointId}/deliveries/{runId}/redeliver`: one delivery again, under the id that it had, by
//! which receivers know repetitions.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_model::domain::RunId;
use satchel_store::webhooks::deliveries::{self, Redelivery};
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
struct Redelivered {
    run_id: RunId,
}

/// Has the event delivered again, whatever came of it before, with as many attempts as a new one.
pub(crate) async fn redeliver(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    nothing(document(&request, payload).await?)?;
    Parameters::of(&request)?.finish()?;
    let run_id = RunId::parse(request.match_info().query("runId")).map_err(|_| ApiError::NotFound)?;
    let endpoint = find_enabled(&state, id_of(&request)?).await?;
    let by = operating.by();
    let redelivered = deliveries::redeliver(&state.pool, endpoint.endpoint_id, run_id, &by);
    match deadline::answer(redelivered).await? {
        Redelivery::Due => Ok(HttpResponse::Accepted().json(Redelivered { run_id })),
        Redelivery::Running => Err(ApiError::Conflict("it is being delivered at this moment".to_owned())),
        Redelivery::Unknown => Err(ApiError::NotFound),
    }
}
