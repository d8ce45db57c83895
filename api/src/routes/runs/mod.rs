//! `GET /api/v1/runs/{runId}` and what can be done about a run: `POST …/retry`, `POST …/cancel`.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_model::domain::RunId;
use satchel_store::functions::steps::{self, Step};
use satchel_store::functions::{Run, operate};
use serde::Serialize;

use crate::auth::operating::Operating;
use crate::http::deadline;
use crate::http::document;
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::server::state::State;

#[derive(Serialize)]
struct RunWithSteps {
    #[serde(flatten)]
    run: Run,
    steps: Vec<Step>,
}

/// Answers a run with the steps that it has done.
pub(crate) async fn show(
    _operating: Operating,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Parameters::of(&request)?.finish()?;
    let run = find(&state, run_id(&request)?).await?;
    let steps = deadline::answer(steps::of_run(&state.pool, run.run_id)).await?;
    Ok(HttpResponse::Ok().json(RunWithSteps { run, steps }))
}

/// Has a run that failed or was cancelled go on where it was.
pub(crate) async fn retry(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let run_id = read(&request, payload).await?;
    let is_done = deadline::answer(operate::retry(&state.pool, run_id, &operating.by())).await?;
    let run = find(&state, run_id).await?;
    if is_done {
        return Ok(HttpResponse::Accepted().json(run));
    }
    let status = run.status.as_str();
    Err(ApiError::Conflict(format!("only a run that failed or was cancelled can be retried; this one is {status}")))
}

/// Ends a run: at once, or before its next step.
pub(crate) async fn cancel(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let run_id = read(&request, payload).await?;
    let is_done = deadline::answer(operate::cancel(&state.pool, run_id, &operating.by())).await?;
    let run = find(&state, run_id).await?;
    if is_done {
        return Ok(HttpResponse::Accepted().json(run));
    }
    Err(ApiError::Conflict(format!("the run has ended: it is {}", run.status.as_str())))
}

async fn read(request: &HttpRequest, payload: web::Payload) -> Result<RunId, ApiError> {
    document::nothing(document::document(request, payload).await?)?;
    Parameters::of(request)?.finish()?;
    run_id(request)
}

fn run_id(request: &HttpRequest) -> Result<RunId, ApiError> {
    RunId::parse(request.match_info().query("runId")).map_err(|_| ApiError::NotFound)
}

async fn find(state: &State, run_id: RunId) -> Result<Run, ApiError> {
    deadline::answer(operate::run(&state.pool, run_id)).await?.ok_or(ApiError::NotFound)
}
