//! `webhook/ping`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::EventType;
use crate::ids::{InvalidId, UserId};

/// An operator tries an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookPing {
    /// The endpoint.
    pub endpoint_id: Uuid,
}

impl WebhookPing {
    /// Whom the event is about, since it must be about somebody: the endpoint.
    ///
    /// # Errors
    /// Never: it has the form of a user's id.
    pub fn user_of(endpoint_id: Uuid) -> Result<UserId, InvalidId> {
        UserId::parse(&format!("webhook:{endpoint_id}"))
    }
}

impl EventType for WebhookPing {
    const NAME: &'static str = "webhook/ping";
    const VERSION: i16 = 1;
    const WHEN: &'static str = "An operator tried a webhook endpoint. No other endpoint gets it, whatever its filter.";
}
