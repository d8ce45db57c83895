//! Webhooks: events posted to endpoints that operators set up, each with a breaker of its own.

mod endpoints;

pub(crate) use endpoints::Endpoints;

satchel_functions::functions! {
    event_any_webhook_sender::EventAnyWebhookSender,
}
