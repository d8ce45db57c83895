//! What operators see of functions, and do about them. What they do is recorded with who, when and what.

pub(super) mod cancel;
pub(super) mod list;
pub(super) mod pause;
pub(super) mod replay;
pub(super) mod runs;

use satchel_model::ids::FunctionId;
use satchel_store::Pool;
use satchel_store::functions::operate;

use crate::auth::Access;
use crate::http::deadline;
use crate::http::problem::ApiError;

/// Who sees and manages functions.
pub(super) const FUNCTIONS: Access = Access::Operators("see and manage functions and their runs");

/// Refuses a function that no worker has ever run.
///
/// # Errors
/// 404.
async fn check_known(pool: &Pool, function_id: &FunctionId) -> Result<(), ApiError> {
    if deadline::answer(operate::is_known(pool, function_id)).await? { Ok(()) } else { Err(ApiError::NotFound) }
}
