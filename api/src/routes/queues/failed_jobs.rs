//! `POST /api/v1/queues/failed/retry` and `/remove`: many failed jobs at once, by filter.

use actix_web::web::Data;
use satchel_forms::Pointer;
use satchel_model::ids::JobId;
use satchel_store::Pool;
use satchel_store::failed::{self, Filter};
use schemars::JsonSchema;
use serde::Serialize;

use super::QUEUE;
use super::filter::MAX_JOBS;
use crate::auth::Operating;
use crate::http::answer::Answer;
use crate::http::deadline;
use crate::http::extract::{Json, NoQuery, Received};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static RETRY: Route = Route {
    method: Method::Post,
    path: "/api/v1/queues/failed/retry",
    operation: "retryFailedJobs",
    access: QUEUE,
    errors: &[503],
    handler: || handle(retry),
};

pub(crate) static REMOVE: Route = Route {
    method: Method::Post,
    path: "/api/v1/queues/failed/remove",
    operation: "removeFailedJobs",
    access: QUEUE,
    errors: &[503],
    handler: || handle(remove),
};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Retries {
    retried: usize,
    job_ids: Vec<JobId>,
    has_more: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Removals {
    removed: usize,
    job_ids: Vec<JobId>,
    has_more: bool,
}

/// Has parked jobs tried again, at most [`MAX_JOBS`] of them; without a filter all.
async fn retry(
    operating: Operating,
    _: (Received, NoQuery),
    Json(filter): Json<Filter>,
    pool: Data<Pool>,
) -> Result<Answer<Retries>, ApiError> {
    let job_ids = deadline::answer(failed::retry(&pool, &filter, MAX_JOBS.into(), &operating.by())).await?;
    Ok(Answer(Retries { retried: job_ids.len(), has_more: may_have_more(&job_ids), job_ids }))
}

/// Gives parked jobs up, at most [`MAX_JOBS`] of them. There is no undoing it, so the filter must say which.
async fn remove(
    operating: Operating,
    _: (Received, NoQuery),
    Json(filter): Json<Filter>,
    pool: Data<Pool>,
) -> Result<Answer<Removals>, ApiError> {
    let Filter { user_id, job_type, job_ids, parked_before } = &filter;
    if user_id.is_none() && job_type.is_none() && job_ids.is_none() && parked_before.is_none() {
        let detail = "must say which jobs: by userId, type, jobIds or parkedBefore";
        return Err(ApiError::invalid(Pointer::root(), detail));
    }
    let job_ids = deadline::answer(failed::remove(&pool, &filter, MAX_JOBS.into(), &operating.by())).await?;
    Ok(Answer(Removals { removed: job_ids.len(), has_more: may_have_more(&job_ids), job_ids }))
}

/// Whether another call may find more: as many were found as one call takes.
fn may_have_more(job_ids: &[JobId]) -> bool {
    job_ids.len() >= usize::from(MAX_JOBS)
}
