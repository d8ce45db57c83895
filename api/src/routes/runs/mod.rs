//! Runs of functions. What operators do about them is recorded with who, when and what.

pub(super) mod cancel;
pub(super) mod retry;
pub(super) mod show;

use satchel_model::ids::RunId;
use satchel_store::Pool;
use satchel_store::functions::{Run, operate};

use super::functions::FUNCTIONS;
use crate::http::deadline;
use crate::http::problem::ApiError;

async fn find(pool: &Pool, run_id: RunId) -> Result<Run, ApiError> {
    deadline::answer(operate::run(pool, run_id)).await?.ok_or(ApiError::NotFound)
}
