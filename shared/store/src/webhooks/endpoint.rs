//! An endpoint as operators see it: without its secrets.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

/// See the module.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// The endpoint.
    pub endpoint_id: Uuid,
    /// Where events are posted to.
    pub url: String,
    /// The names of those that it gets; none: all.
    pub events: Vec<String>,
    /// For people.
    pub description: String,
    /// Whether it gets any.
    pub enabled: bool,
    /// Why it was disabled, if nobody has asked for that.
    pub disabled_reason: Option<String>,
    /// Deliveries that failed since the last success.
    pub consecutive_failures: i32,
    /// When the first of them did.
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub failing_since: Option<DateTime<Utc>>,
    /// Until when nothing is sent, since deliveries fail.
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub paused_until: Option<DateTime<Utc>>,
    /// Until when the secret before is used, too.
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub previous_secret_until: Option<DateTime<Utc>>,
    /// When it was added.
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub created_at: DateTime<Utc>,
    /// When an operator last changed it.
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub updated_at: DateTime<Utc>,
}

/// A row.
pub(super) struct Row {
    pub(super) endpoint_id: Uuid,
    pub(super) url: String,
    pub(super) events: Vec<String>,
    pub(super) description: String,
    pub(super) is_enabled: bool,
    pub(super) disabled_reason: Option<String>,
    pub(super) consecutive_failures: i32,
    pub(super) failing_since: Option<DateTime<Utc>>,
    pub(super) open_until: Option<DateTime<Utc>>,
    pub(super) previous_secret_until: Option<DateTime<Utc>>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

impl From<Row> for Endpoint {
    fn from(row: Row) -> Self {
        Self {
            endpoint_id: row.endpoint_id,
            url: row.url,
            events: row.events,
            description: row.description,
            enabled: row.is_enabled,
            disabled_reason: row.disabled_reason,
            consecutive_failures: row.consecutive_failures,
            failing_since: row.failing_since,
            paused_until: row.open_until,
            previous_secret_until: row.previous_secret_until,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
