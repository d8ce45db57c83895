//! `POST /api/v1/runs/{runId}/cancel`: a run ends.

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

pub(crate) static CANCEL: Route = Route {
    method: Method::Post,
    path: "/api/v1/runs/{runId}/cancel",
    operation: "cancelRun",
    access: FUNCTIONS,
    errors: &[409, 503],
    handler: || handle(cancel),
};

/// Ends a run: at once, or before its next step.
async fn cancel(
    operating: Operating,
    _: (NoBody, NoQuery),
    PathId(run_id): PathId<RunId>,
    pool: Data<Pool>,
) -> Result<Answer<Untyped<Run>, 202>, ApiError> {
    let is_done = deadline::answer(operate::cancel(&pool, run_id, &operating.by())).await?;
    let run = find(&pool, run_id).await?;
    if is_done {
        return Ok(Answer(Untyped(run)));
    }
    Err(ApiError::Conflict(format!("the run has ended: it is {}", run.status.as_str())))
}
