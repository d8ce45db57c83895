//! `GET /api/v1/jobs/{jobId}`: what became of a job.

use actix_web::web::Data;
use satchel_model::ids::JobId;

use super::{JobStatus, Jobs};
use crate::auth::Caller;
use crate::auth::access::{self, Access};
use crate::http::answer::{Answer, Untyped};
use crate::http::extract::{NoQuery, PathId};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static SHOW: Route = Route {
    method: Method::Get,
    path: "/api/v1/jobs/{jobId}",
    operation: "showJob",
    access: Access::JobReaders,
    errors: &[503],
    handler: || handle(show),
};

/// Answers the job's status document.
async fn show(
    caller: Caller,
    _: NoQuery,
    PathId(job_id): PathId<JobId>,
    jobs: Data<Jobs>,
) -> Result<Answer<Untyped<JobStatus>>, ApiError> {
    let status = jobs.find(job_id).await?.ok_or(ApiError::NotFound)?;
    access::may_read_job(&caller, status.owner(), status.submitter())?;
    Ok(Answer(Untyped(status)))
}
