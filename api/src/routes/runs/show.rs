//! `GET /api/v1/runs/{runId}`: a run with its steps.

use actix_web::web::Data;
use satchel_model::ids::RunId;
use satchel_store::Pool;
use satchel_store::functions::Run;
use satchel_store::functions::steps::{self, Step};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{FUNCTIONS, find};
use crate::http::answer::Answer;
use crate::http::deadline;
use crate::http::extract::{NoQuery, PathId};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static SHOW: Route = Route {
    method: Method::Get,
    path: "/api/v1/runs/{runId}",
    operation: "showRun",
    access: FUNCTIONS,
    errors: &[503],
    handler: || handle(show),
};

#[derive(Serialize, JsonSchema)]
struct RunWithSteps {
    #[serde(flatten)]
    #[schemars(with = "Map<String, Value>")]
    run: Run,
    #[schemars(with = "Vec<Value>")]
    steps: Vec<Step>,
}

/// Answers a run with the steps that it has done.
async fn show(_: NoQuery, PathId(run_id): PathId<RunId>, pool: Data<Pool>) -> Result<Answer<RunWithSteps>, ApiError> {
    let run = find(&pool, run_id).await?;
    let steps = deadline::answer(steps::of_run(&pool, run.run_id)).await?;
    Ok(Answer(RunWithSteps { run, steps }))
}
