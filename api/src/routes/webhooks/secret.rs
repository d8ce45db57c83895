//! `POST /api/v1/webhooks/{endpointId}/secret`: another secret. The one before signs as well for a day.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use satchel_store::webhooks::operate;
use serde::Serialize;
use uuid::Uuid;

use super::{id_of, new_secret, seal_keys};
use crate::auth::operating::Operating;
use crate::http::deadline;
use crate::http::document::{document, nothing};
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::server::state::State;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rotated {
    endpoint_id: Uuid,
    secret: String,
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    previous_secret_until: DateTime<Utc>,
}

/// Makes another secret, and tells it here and never again.
pub(crate) async fn rotate(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    nothing(document(&request, payload).await?)?;
    Parameters::of(&request)?.finish()?;
    let (endpoint_id, secret) = (id_of(&request)?, new_secret()?);
    let by = operating.by();
    let rotated = operate::rotate_secret(&state.pool, endpoint_id, &secret, seal_keys(&state)?, &by);
    let previous_secret_until = deadline::answer(rotated).await?.ok_or(ApiError::NotFound)?;
    Ok(HttpResponse::Ok().json(Rotated { endpoint_id, secret: secret.reveal(), previous_secret_until }))
}
