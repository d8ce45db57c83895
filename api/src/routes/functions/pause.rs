//! `POST /api/v1/functions/{functionId}/pause` and `/resume`: whether a function's runs begin. Its events become runs all
//! the same.

use actix_web::web::Data;
use satchel_model::ids::{FunctionId, Reason};
use satchel_store::Pool;
use satchel_store::functions::backlog::Pause;
use satchel_store::functions::pause as store;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{FUNCTIONS, check_known};
use crate::auth::Operating;
use crate::http::answer::Answer;
use crate::http::deadline;
use crate::http::extract::{Json, NoQuery, PathId, Received};
use crate::http::problem::ApiError;
use crate::routes::reason::Because;
use crate::routes::route::{Method, Route, handle};

pub(crate) static PAUSE: Route = Route {
    method: Method::Post,
    path: "/api/v1/functions/{functionId}/pause",
    operation: "pauseFunction",
    access: FUNCTIONS,
    errors: &[503],
    handler: || handle(set::<true>),
};

pub(crate) static RESUME: Route = Route {
    method: Method::Post,
    path: "/api/v1/functions/{functionId}/resume",
    operation: "resumeFunction",
    access: FUNCTIONS,
    errors: &[503],
    handler: || handle(set::<false>),
};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Paused {
    #[schemars(with = "String")]
    function_id: FunctionId,
    #[serde(flatten)]
    #[schemars(with = "Map<String, Value>")]
    pause: Pause,
}

/// Lets no run of the function begin, on whatever worker, until it is resumed, or lets them begin again. What goes on when a
/// pause is answered ends.
async fn set<const PAUSED: bool>(
    operating: Operating,
    _: (Received, NoQuery),
    Json(Because(reason)): Json<Because>,
    PathId(function_id): PathId<FunctionId>,
    pool: Data<Pool>,
) -> Result<Answer<Paused>, ApiError> {
    check_known(&pool, &function_id).await?;
    let by = operating.by();
    let set = store::set(&pool, &function_id, PAUSED, reason.as_ref().map(Reason::as_str), &by);
    let pause = deadline::answer(set).await?.ok_or(ApiError::NotFound)?;
    tracing::warn!(function.id = %function_id, paused = PAUSED, actor = by.actor, request.id = by.request_id, "a function was paused or resumed");
    Ok(Answer(Paused { function_id, pause }))
}
