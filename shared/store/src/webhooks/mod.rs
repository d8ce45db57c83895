//! Webhook endpoints: whom events are posted to.

pub mod deliveries;
mod endpoint;
pub mod operate;
mod secrets;
pub mod sending;

use uuid::Uuid;

pub use endpoint::Endpoint;
use satchel_model::events::{EventType, WebhookPing};
use satchel_model::ids::FunctionId;
pub use secrets::reseal;

use crate::{StoreError, Tx};

/// The id of the function whose runs are the deliveries.
pub const FUNCTION: &str = "event-any-webhook-sender";

/// Most endpoints.
pub const MAX_ENDPOINTS: u32 = 100;

/// An endpoint that gets events.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// Its id, as runs name it.
    pub target: String,
    /// The events that it gets; none: all.
    events: Vec<String>,
    /// Whom pings of it are about.
    pinged: String,
}

impl Subscriber {
    /// Whether it gets an event with this name about this user. Pings are for the endpoint alone that they are about.
    #[must_use]
    pub fn gets(&self, event_name: &str, user_id: &str) -> bool {
        if event_name == WebhookPing::NAME {
            return self.pinged == user_id;
        }
        self.events.is_empty() || self.events.iter().any(|name| name == event_name)
    }
}

/// The endpoints that are enabled.
///
/// # Errors
/// If Postgres is away.
pub async fn subscribers(tx: &mut Tx<'_>) -> Result<Vec<Subscriber>, StoreError> {
    let rows = sqlx::query!("SELECT endpoint_id, events FROM webhook_endpoints WHERE is_enabled ORDER BY endpoint_id");
    let rows = rows.fetch_all(&mut *tx.0).await?;
    let subscriber = |endpoint_id: Uuid, events| {
        let pinged = WebhookPing::user_of(endpoint_id).map(|user_id| user_id.to_string()).unwrap_or_default();
        Subscriber { target: endpoint_id.to_string(), events, pinged }
    };
    Ok(rows.into_iter().map(|row| subscriber(row.endpoint_id, row.events)).collect())
}

/// [`FUNCTION`], parsed.
///
/// # Errors
/// None in fact.
pub fn function_id() -> Result<FunctionId, StoreError> {
    Ok(FunctionId::parse(FUNCTION).map_err(|error| crate::db::stored::Unreadable::new("function_id", error))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber(events: &[&str]) -> Subscriber {
        let events = events.iter().map(|name| (*name).to_owned()).collect();
        Subscriber { target: "t".into(), events, pinged: "webhook:t".into() }
    }

    #[test]
    fn a_filter_without_names_takes_all_events_but_others_pings() {
        assert!(subscriber(&[]).gets("item/used", "u1"));
        assert!(subscriber(&["item/used"]).gets("item/used", "u1"));
        assert!(!subscriber(&["item/used"]).gets("item/rewarded", "u1"));
        assert!(subscriber(&["item/used"]).gets("webhook/ping", "webhook:t"));
        assert!(!subscriber(&[]).gets("webhook/ping", "webhook:other"));
    }
}
