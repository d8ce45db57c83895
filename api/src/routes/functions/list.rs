//! `GET /api/v1/functions`: which functions there are.

use actix_web::web::Data;
use satchel_store::Pool;
use satchel_store::functions::backlog::{self, FunctionInfo};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::FUNCTIONS;
use crate::http::answer::Answer;
use crate::http::deadline;
use crate::http::extract::NoQuery;
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static LIST: Route = Route {
    method: Method::Get,
    path: "/api/v1/functions",
    operation: "listFunctions",
    access: FUNCTIONS,
    errors: &[503],
    handler: || handle(list),
};

#[derive(Serialize, JsonSchema)]
struct Functions {
    #[schemars(with = "Vec<Value>")]
    functions: Vec<FunctionInfo>,
}

/// Answers all functions that workers have ever run, with what they listen to, whether they are paused, and how much
/// of them waits for how long.
async fn list(_: NoQuery, pool: Data<Pool>) -> Result<Answer<Functions>, ApiError> {
    let functions = deadline::answer(backlog::functions(&pool)).await?;
    Ok(Answer(Functions { functions }))
}
