//! `POST /api/v1/runs/{runId}/retry`: a run goes on.

use actix_web::web::Data;
use satchel_model::ids::RunId;
use satchel_store::Pool;
use satchel_store::functions::{Run, operate};

use super::{FUNCTIONS, find};
use crate::auth::Operating;
use crate::http::answer::{Answer, Untyped};
use crate::http::deadline;
use crate::http::extract::{NoBody, NoQuery, PathId};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static RETRY: Route = Route {
    method: Method::Post,
    path: "/api/v1/runs/{runId}/retry",
    operation: "retryRun",
    access: FUNCTIONS,
    errors: &[409, 503],
    handler: || handle(retry),
};

/// Has a run that failed or was cancelled go on where it was.
async fn retry(
    operating: Operating,
    _: (NoBody, NoQuery),
    PathId(run_id): PathId<RunId>,
    pool: Data<Pool>,
) -> Result<Answer<Untyped<Run>, 202>, ApiError> {
    let is_done = deadline::answer(operate::retry(&pool, run_id, &operating.by())).await?;
    let run = find(&pool, run_id).await?;
    if is_done {
        return Ok(Answer(Untyped(run)));
    }
    let status = run.status.as_str();
    Err(ApiError::Conflict(format!("only a run that failed or was cancelled can be retried; this one is {status}")))
}
