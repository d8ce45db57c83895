//! `GET /api/v1/queues/stats`: how much waits, how much is being done, and by whom.

use actix_web::{HttpRequest, HttpResponse, web};

use super::snapshot::Snapshot;
use crate::auth::operating::Operating;
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::server::state::State;

/// Answers the queue's statistics, in all, by shard and by worker.
pub(crate) async fn show(
    _operating: Operating,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Parameters::of(&request)?.finish()?;
    Ok(HttpResponse::Ok().json(Snapshot::take(&state).await?))
}
