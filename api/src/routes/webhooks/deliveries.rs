//! `GET /api/v1/webhooks/{endpointId}/deliveries`: what was sent to an endpoint, and what came of it.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_store::functions::Run;
use satchel_store::webhooks;
use serde::Serialize;

use super::{find, id_of};
use crate::auth::operating::Operating;
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::routes::functions::runs::RunsQuery;
use crate::server::state::State;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deliveries {
    deliveries: Vec<Run>,
    next_cursor: Option<String>,
}

/// Answers a page of deliveries, the newest first, each with its attempts and its last failures.
pub(crate) async fn list(
    _operating: Operating,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let mut parameters = Parameters::of(&request)?;
    let query = RunsQuery::read(&mut parameters);
    let mut query = parameters.finish_valid(query)?;
    let endpoint = find(&state, id_of(&request)?).await?;
    query.target = Some(endpoint.endpoint_id.to_string());
    let (deliveries, next_cursor) = query.page(&state, &webhooks::function_id()?).await?;
    Ok(HttpResponse::Ok().json(Deliveries { deliveries, next_cursor }))
}
