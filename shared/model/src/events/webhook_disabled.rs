//! `webhook/disabled`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::EventType;

/// A webhook endpoint was disabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookDisabled {
    /// The endpoint.
    pub endpoint_id: Uuid,
    /// The origin of its URL: the rest may be a secret.
    pub url: String,
    /// Why.
    pub reason: String,
    /// The run whose delivery was the last one.
    pub run_id: Uuid,
}

impl EventType for WebhookDisabled {
    const NAME: &'static str = "webhook/disabled";
    const VERSION: i16 = 1;
    const WHEN: &'static str = "A webhook endpoint answered 410 Gone, or nothing but failures for days: nothing more is \
        sent to it until an operator enables it.";
}
