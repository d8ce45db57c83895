//! `POST /api/v1/queues/clean`: forgets decided jobs and archives parked ones that are past their retention, as workers
//! do by and by.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_store::housekeeping;

use crate::auth::operating::Operating;
use crate::http::document;
use crate::http::parameters::Parameters;
use crate::http::problem::{ApiError, Store};
use crate::server::state::State;

/// Longer than other answers may take, in milliseconds: whole tables are looked through, in bounded steps.
const CLEAN_DEADLINE_MS: u64 = 60_000;

/// Cleans as much as one request may.
pub(crate) async fn clean(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    document::nothing(document::document(&request, payload).await?)?;
    Parameters::of(&request)?.finish()?;

    let by = operating.by();
    let cleaning = housekeeping::clean(&state.pool, &state.retention, &by);
    let cleaned = tokio::time::timeout(Duration::from_millis(CLEAN_DEADLINE_MS), cleaning).await;
    let cleaned = cleaned.map_err(|_| ApiError::Unavailable(Store::Database))??;
    Ok(HttpResponse::Ok().json(cleaned))
}
