//! Webhook endpoints, as operators manage them. What they do is recorded with who, when and what, in the transaction
//! that does it.

pub(super) mod deliveries;
pub(super) mod delivery;
mod document;
pub(super) mod endpoint;
pub(super) mod endpoints;
pub(super) mod ping;
pub(super) mod secret;

use satchel_model::access::WebhookSecret;
use satchel_security::sealing::SealKeys;
use satchel_store::Pool;
use satchel_store::webhooks::{Endpoint, operate};
use uuid::Uuid;

use crate::auth::Access;
use crate::http::deadline;
use crate::http::extract::InPath;
use crate::http::problem::ApiError;

/// Who sees and manages webhooks.
const WEBHOOKS: Access = Access::Operators("see and manage webhooks");

/// An endpoint's id in a path.
#[derive(Clone, Copy)]
struct EndpointId(Uuid);

impl InPath for EndpointId {
    const NAME: &'static str = "endpointId";

    fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

/// The endpoint.
///
/// # Errors
/// 404 if there is none.
async fn find(pool: &Pool, EndpointId(endpoint_id): EndpointId) -> Result<Endpoint, ApiError> {
    deadline::answer(operate::find(pool, endpoint_id)).await?.ok_or(ApiError::NotFound)
}

/// The endpoint, to which something is to be sent.
///
/// # Errors
/// 404 if there is none, 409 if it is disabled.
async fn find_enabled(pool: &Pool, endpoint_id: EndpointId) -> Result<Endpoint, ApiError> {
    let endpoint = find(pool, endpoint_id).await?;
    if endpoint.enabled {
        Ok(endpoint)
    } else {
        Err(ApiError::Conflict("the endpoint is disabled; enable it first".to_owned()))
    }
}

/// What seals secrets, if a key was given.
pub(crate) struct Sealing(Option<SealKeys>);

impl Sealing {
    /// By this key, or not at all.
    pub(crate) fn new(keys: Option<SealKeys>) -> Self {
        Self(keys)
    }

    /// The key.
    ///
    /// # Errors
    /// 409 without one.
    fn keys(&self) -> Result<&SealKeys, ApiError> {
        let without =
            "webhooks need SATCHEL_SECRETS_KEY, which seals their secrets: give it to the API and the workers";
        self.0.as_ref().ok_or_else(|| ApiError::Conflict(without.to_owned()))
    }
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
