//! `GET /api/v1/queues/actions`: what operators did to the queue.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_store::actions::{self, Action};
use serde::Serialize;
use validator::Validate;

use crate::auth::operating::Operating;
use crate::http::cursor::{BeforeAction, Cursor as _};
use crate::http::deadline;
use crate::http::parameters::{self, Parameters};
use crate::http::problem::ApiError;
use crate::server::state::State;

#[derive(Validate)]
struct ActionsQuery {
    before: Option<BeforeAction>,
    #[validate(range(min = 1, max = 500, message = "must be from 1 to 500"))]
    limit: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Actions<'a> {
    actions: &'a [Action],
    next_cursor: Option<String>,
}

/// Answers a page of the record, the newest first.
pub(crate) async fn list(
    _operating: Operating,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let query = read_query(&request)?;
    let limit = usize::from(query.limit);
    let before = query.before.map(|before| before.0);
    // One more than asked for tells whether there are more.
    let mut actions = deadline::answer(actions::page(&state.pool, before, i64::from(query.limit) + 1)).await?;
    let more = actions.len() > limit;
    actions.truncate(limit);
    let next_cursor = actions.last().filter(|_| more).map(|action| BeforeAction(action.id).encode());
    Ok(HttpResponse::Ok().json(Actions { actions: &actions, next_cursor }))
}

fn read_query(request: &HttpRequest) -> Result<ActionsQuery, ApiError> {
    let mut parameters = Parameters::of(request)?;
    let before = parameters.take("cursor", |text| BeforeAction::decode(text).ok_or(parameters::NOT_A_CURSOR));
    let limit = parameters.take("limit", parameters::limit).unwrap_or(parameters::DEFAULT_LIMIT);
    parameters.finish_valid(ActionsQuery { before, limit })
}
