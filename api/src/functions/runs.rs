//! `GET /api/v1/functions/{functionId}/runs`: a function's runs, newest first.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_shared::store::functions::{Run, RunStatus, operate};
use serde::Serialize;
use validator::Validate;

use super::function;
use crate::cursor::{BeforeRun, Cursor as _};
use crate::deadline;
use crate::operating::Operating;
use crate::parameters::{self, Parameters};
use crate::problem::ApiError;
use crate::state::State;

/// The longest target, in characters: far above any.
const MAX_TARGET_CHARS: usize = 100;

#[derive(Validate)]
struct RunsQuery {
    status: Option<RunStatus>,
    target: Option<String>,
    before: Option<BeforeRun>,
    #[validate(range(min = 1, max = 500, message = "must be from 1 to 500"))]
    limit: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Runs<'a> {
    runs: &'a [Run],
    next_cursor: Option<String>,
}

/// Answers a page of runs.
pub(crate) async fn list(
    _operating: Operating,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let query = read_query(&request)?;
    let function_id = function(&state, &request).await?;
    let limit = usize::from(query.limit);
    let before = query.before.map(|before| (before.created_at, before.run_id));
    // One more than asked for tells whether there are more.
    let most = i64::from(query.limit) + 1;
    let page = operate::runs(&state.pool, &function_id, query.status, query.target.as_deref(), before, most);
    let mut runs = deadline::answer(page).await?;
    let more = runs.len() > limit;
    runs.truncate(limit);
    let last = runs.last().filter(|_| more);
    let next_cursor = last.map(|run| BeforeRun { created_at: run.created_at, run_id: run.run_id }.encode());
    Ok(HttpResponse::Ok().json(Runs { runs: &runs, next_cursor }))
}

fn read_query(request: &HttpRequest) -> Result<RunsQuery, ApiError> {
    let mut parameters = Parameters::of(request)?;
    let query = RunsQuery {
        status: parameters.take("status", read_status),
        target: parameters.take("target", read_target),
        before: parameters.take("cursor", |text| BeforeRun::decode(text).ok_or(parameters::NOT_A_CURSOR)),
        limit: parameters.take("limit", parameters::limit).unwrap_or(parameters::DEFAULT_LIMIT),
    };
    parameters.finish_valid(query)
}

fn read_status(text: &str) -> Result<RunStatus, String> {
    RunStatus::parse(text).ok_or_else(|| format!("must be one of {}", RunStatus::ALL.map(RunStatus::as_str).join(", ")))
}

fn read_target(text: &str) -> Result<String, String> {
    if text.chars().count() <= MAX_TARGET_CHARS {
        Ok(text.to_owned())
    } else {
        Err(format!("must be at most {MAX_TARGET_CHARS} characters"))
    }
}
