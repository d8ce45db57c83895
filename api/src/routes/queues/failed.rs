//! `GET /api/v1/queues/failed`: the jobs that failed too often and wait for an operator.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_store::failed::{self, FailedJob};
use serde::Serialize;
use validator::Validate;

use crate::auth::operating::Operating;
use crate::http::cursor::{AfterParked, Cursor as _};
use crate::http::deadline;
use crate::http::parameters::{self, Parameters};
use crate::http::problem::ApiError;
use crate::server::state::State;

#[derive(Validate)]
struct FailedQuery {
    after: Option<AfterParked>,
    #[validate(range(min = 1, max = 500, message = "must be from 1 to 500"))]
    limit: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failed<'a> {
    jobs: &'a [FailedJob],
    next_cursor: Option<String>,
}

/// Answers a page of parked jobs, the one that was parked first first, each with all its failures.
pub(crate) async fn list(
    _operating: Operating,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let query = read_query(&request)?;
    let limit = usize::from(query.limit);
    let after = query.after.map(|after| (after.parked_at, after.job_id));
    // One more than asked for tells whether there are more.
    let mut jobs = deadline::answer(failed::page(&state.pool, after, i64::from(query.limit) + 1)).await?;
    let more = jobs.len() > limit;
    jobs.truncate(limit);
    let last = jobs.last().filter(|_| more);
    let next_cursor = last.map(|job| AfterParked { parked_at: job.parked_at, job_id: job.job_id }.encode());
    Ok(HttpResponse::Ok().json(Failed { jobs: &jobs, next_cursor }))
}

fn read_query(request: &HttpRequest) -> Result<FailedQuery, ApiError> {
    let mut parameters = Parameters::of(request)?;
    let after = parameters.take("cursor", |text| AfterParked::decode(text).ok_or(parameters::NOT_A_CURSOR));
    let limit = parameters.take("limit", parameters::limit).unwrap_or(parameters::DEFAULT_LIMIT);
    parameters.finish_valid(FailedQuery { after, limit })
}
