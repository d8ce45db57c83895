//! Webhook endpoints, as operators manage them. What they do is recorded with who, when and what, in the transaction
//! that does it.

pub(crate) mod deliveries;
pub(crate) mod delivery;
mod document;
pub(crate) mod endpoint;
pub(crate) mod endpoints;
pub(crate) mod ping;
pub(crate) mod secret;

use actix_web::HttpRequest;
use satchel_model::domain::WebhookSecret;
use satchel_security::sealing::SealKeys;
use satchel_store::webhooks::{Endpoint, operate};
use uuid::Uuid;

use crate::http::deadline;
use crate::http::problem::ApiError;
use crate::server::state::State;

/// The endpoint's id in the path.
///
/// # Errors
/// 404 if it is none.
fn id_of(request: &HttpRequest) -> Result<Uuid, ApiError> {
    Uuid::try_parse(request.match_info().query("endpointId")).map_err(|_| ApiError::NotFound)
}

/// The endpoint.
///
/// # Errors
/// 404 if there is none.
async fn find(state: &State, endpoint_id: Uuid) -> Result<Endpoint, ApiError> {
    deadline::answer(operate::find(&state.pool, endpoint_id)).await?.ok_or(ApiError::NotFound)
}

/// The endpoint, to which something is to be sent.
///
/// # Errors
/// 404 if there is none, 409 if it is disabled.
async fn find_enabled(state: &State, endpoint_id: Uuid) -> Result<Endpoint, ApiError> {
    let endpoint = find(state, endpoint_id).await?;
    if endpoint.enabled {
        Ok(endpoint)
    } else {
        Err(ApiError::Conflict("the endpoint is disabled; enable it first".to_owned()))
    }
}

/// What seals secrets.
///
/// # Errors
/// 409 if no key was given.
fn seal_keys(state: &State) -> Result<&SealKeys, ApiError> {
    let without = "webhooks need SATCHEL_SECRETS_KEY, which seals their secrets: give it to the API and the workers";
    state.seal_keys.as_ref().ok_or_else(|| ApiError::Conflict(without.to_owned()))
}

/// A new secret.
///
/// # Errors
/// 500 if the system has no randomness to give.
fn new_secret() -> Result<WebhookSecret, ApiError> {
    let mut bytes = [0; WebhookSecret::BYTES];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the system has no randomness to give");
        ApiError::Internal
    })?;
    Ok(WebhookSecret::new(bytes))
}
