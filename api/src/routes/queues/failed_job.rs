//! `POST /api/v1/queues/failed/{jobId}/retry`, `DELETE /api/v1/queues/failed/{jobId}`: one failed job tried again, or
//! given up, so that its player's later ones go on.

use actix_web::web::Data;
use satchel_model::ids::JobId;
use satchel_store::Pool;
use satchel_store::failed::{self, Filter};
use schemars::JsonSchema;
use serde::Serialize;

use super::QUEUE;
use crate::auth::Operating;
use crate::http::answer::Answer;
use crate::http::deadline;
use crate::http::extract::{NoBody, NoQuery, PathId};
use crate::http::problem::ApiError;
use crate::routes::jobs::Jobs;
use crate::routes::route::{Method, Route, handle};

pub(crate) static RETRY: Route = Route {
    method: Method::Post,
    path: "/api/v1/queues/failed/{jobId}/retry",
    operation: "retryFailedJob",
    access: QUEUE,
    errors: &[409, 503],
    handler: || handle(retry),
};

pub(crate) static REMOVE: Route = Route {
    method: Method::Delete,
    path: "/api/v1/queues/failed/{jobId}",
    operation: "removeFailedJob",
    access: QUEUE,
    errors: &[409, 503],
    handler: || handle(remove),
};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Changed {
    job_id: JobId,
    status: &'static str,
}

/// Has the job tried again, with as many attempts as a new one.
async fn retry(
    operating: Operating,
    _: (NoBody, NoQuery),
    PathId(job_id): PathId<JobId>,
    pool: Data<Pool>,
    jobs: Data<Jobs>,
) -> Result<Answer<Changed, 202>, ApiError> {
    let retried = deadline::answer(failed::retry(&pool, &only(job_id), 1, &operating.by())).await?;
    if retried.is_empty() {
        return Err(not_parked(&jobs, job_id).await);
    }
    Ok(Answer(Changed { job_id, status: "retrying" }))
}

/// Gives the job up: it is archived, and its outcome is that it was removed.
async fn remove(
    operating: Operating,
    _: (NoBody, NoQuery),
    PathId(job_id): PathId<JobId>,
    pool: Data<Pool>,
    jobs: Data<Jobs>,
) -> Result<Answer<Changed>, ApiError> {
    let removed = deadline::answer(failed::remove(&pool, &only(job_id), 1, &operating.by())).await?;
    if removed.is_empty() {
        return Err(not_parked(&jobs, job_id).await);
    }
    Ok(Answer(Changed { job_id, status: "rejected" }))
}

fn only(job_id: JobId) -> Filter {
    Filter { job_ids: Some(vec![job_id]), ..Filter::default() }
}

/// Why nothing was done about the job.
async fn not_parked(jobs: &Jobs, job_id: JobId) -> ApiError {
    match jobs.find(job_id).await {
        Ok(Some(status)) => {
            let status = status.as_str();
            ApiError::Conflict(format!("only a parked job can be retried or removed; this one was {status}"))
        }
        Ok(None) => ApiError::NotFound,
        Err(error) => error,
    }
}
