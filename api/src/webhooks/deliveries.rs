//! `GET /api/v1/webhooks/{endpointId}/deliveries`: what was sent to an endpoint, and what came of it.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_shared::store::functions::{Run, RunStatus};
use satchel_shared::store::webhooks::deliveries;
use serde::Serialize;
use validator::Validate;

use super::{find, id_of};
use crate::cursor::{BeforeRun, Cursor as _};
use crate::deadline;
use crate::operating::Operating;
use crate::parameters::{self, Parameters};
use crate::problem::ApiError;
use crate::state::State;

#[derive(Validate)]
struct DeliveriesQuery {
    status: Option<RunStatus>,
    before: Option<BeforeRun>,
    #[validate(range(min = 1, max = 500, message = "must be from 1 to 500"))]
    limit: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deliveries<'a> {
    deliveries: &'a [Run],
    next_cursor: Option<String>,
}

/// Answers a page of deliveries, the newest first, each with its attempts and its last failures.
pub(crate) async fn list(
    _operating: Operating,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let query = read_query(&request)?;
    let limit = usize::from(query.limit);
    let endpoint = find(&state, id_of(&request)?).await?;
    let before = query.before.map(|before| (before.created_at, before.run_id));
    // One more than asked for tells whether there are more.
    let page = deliveries::page(&state.pool, endpoint.endpoint_id, query.status, before, i64::from(query.limit) + 1);
    let mut runs = deadline::answer(page).await?;
    let more = runs.len() > limit;
    runs.truncate(limit);
    let last = runs.last().filter(|_| more);
    let next_cursor = last.map(|run| BeforeRun { created_at: run.created_at, run_id: run.run_id }.encode());
    Ok(HttpResponse::Ok().json(Deliveries { deliveries: &runs, next_cursor }))
}

fn read_query(request: &HttpRequest) -> Result<DeliveriesQuery, ApiError> {
    let mut parameters = Parameters::of(request)?;
    let query = DeliveriesQuery {
        status: parameters.take("status", |text| RunStatus::parse(text).ok_or_else(not_a_status)),
        before: parameters.take("cursor", |text| BeforeRun::decode(text).ok_or(parameters::NOT_A_CURSOR)),
        limit: parameters.take("limit", parameters::limit).unwrap_or(parameters::DEFAULT_LIMIT),
    };
    parameters.finish_valid(query)
}

fn not_a_status() -> String {
    format!("must be one of {}", RunStatus::ALL.map(RunStatus::as_str).join(", "))
}
