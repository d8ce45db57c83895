//! `GET /api/v1/functions`: which functions there are.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_store::functions::backlog::{self, FunctionInfo};
use serde::Serialize;

use crate::auth::operating::Operating;
use crate::http::deadline;
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::server::state::State;

#[derive(Serialize)]
struct Functions {
    functions: Vec<FunctionInfo>,
}

/// Answers all functions that workers have ever run, with what they listen to, whether they are paused, and how much
/// of them waits for how long.
pub(crate) async fn list(
    _operating: Operating,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Parameters::of(&request)?.finish()?;
    let functions = deadline::answer(backlog::functions(&state.pool)).await?;
    Ok(HttpResponse::Ok().json(Functions { functions }))
}
