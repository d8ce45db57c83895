//! What operators see of functions and their runs, and do about them. What they do is recorded with who, when and what.

pub(crate) mod cancel;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod replay;
pub(crate) mod runs;

use actix_web::HttpRequest;
use satchel_model::domain::FunctionId;
use satchel_store::functions::operate;

use crate::http::deadline;
use crate::http::problem::ApiError;
use crate::server::state::State;

/// The function in the path.
///
/// # Errors
/// 404 if no worker has ever run it.
async fn function(state: &State, request: &HttpRequest) -> Result<FunctionId, ApiError> {
    let function_id = FunctionId::parse(request.match_info().query("functionId")).map_err(|_| ApiError::NotFound)?;
    if deadline::answer(operate::is_known(&state.pool, &function_id)).await? {
        Ok(function_id)
    } else {
        Err(ApiError::NotFound)
    }
}
