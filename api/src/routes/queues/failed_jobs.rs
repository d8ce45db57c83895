//! `POST /api/v1/queues/failed/retry` and `/remove`: many failed jobs at once, by filter.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_forms::Pointer;
use satchel_model::domain::JobId;
use satchel_store::failed::{self, Filter};
use serde::Serialize;

use super::filter::{self, MAX_JOBS};
use crate::auth::operating::Operating;
use crate::http::deadline;
use crate::http::document;
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::server::state::State;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Retries {
    retried: usize,
    job_ids: Vec<JobId>,
    has_more: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Removals {
    removed: usize,
    job_ids: Vec<JobId>,
    has_more: bool,
}

/// Has parked jobs tried again, at most [`MAX_JOBS`] of them; without a filter all.
pub(crate) async fn retry(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let filter = read(&request, payload).await?;
    let job_ids = deadline::answer(failed::retry(&state.pool, &filter, MAX_JOBS.into(), &operating.by())).await?;
    Ok(HttpResponse::Ok().json(Retries { retried: job_ids.len(), has_more: may_have_more(&job_ids), job_ids }))
}

/// Gives parked jobs up, at most [`MAX_JOBS`] of them. There is no undoing it, so the filter must say which.
pub(crate) async fn remove(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let filter = read(&request, payload).await?;
    let Filter { user_id, job_type, job_ids, parked_before } = &filter;
    if user_id.is_none() && job_type.is_none() && job_ids.is_none() && parked_before.is_none() {
        let detail = "must say which jobs: by userId, type, jobIds or parkedBefore";
        return Err(ApiError::invalid(Pointer::root(), detail));
    }
    let job_ids = deadline::answer(failed::remove(&state.pool, &filter, MAX_JOBS.into(), &operating.by())).await?;
    Ok(HttpResponse::Ok().json(Removals { removed: job_ids.len(), has_more: may_have_more(&job_ids), job_ids }))
}

async fn read(request: &HttpRequest, payload: web::Payload) -> Result<Filter, ApiError> {
    let document = document::document(request, payload).await?;
    Parameters::of(request)?.finish()?;
    filter::filter(document)
}

/// Whether another call may find more: as many were found as one call takes.
fn may_have_more(job_ids: &[JobId]) -> bool {
    job_ids.len() >= usize::from(MAX_JOBS)
}
