//! Posts every event to the webhook endpoints that want it: as a `CloudEvent`, signed as Standard Webhooks says. A run
//! is a delivery to one endpoint; its id is the message's, in each attempt.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use satchel_functions::{Failure, Fanout, Flood, FromEnv, Function, KeyOf, Limits, Policy, Steps, Subscription, soon};
use satchel_model::records::Event;
use satchel_security::sealing::SealKeys;
use satchel_settings::{Env, Switch};
use satchel_store::webhooks::sending::{self, Admission, Destination, Refusal};
use satchel_store::webhooks::{FUNCTION, MAX_ENDPOINTS};
use satchel_wire::cloud_event::CloudEvent;
use uuid::Uuid;

use super::endpoints;
use crate::outbound::{Answered, Outbound, Unsent};

/// Waits of 5 s, 10 s, 20 s and so on, up to half a day: two days in all.
const RETRIES: u32 = 16;
const FIRST_DELAY: Duration = Duration::from_secs(5);
const MAX_DELAY: Duration = Duration::from_hours(12);
/// Beyond what sending may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Deliveries at once to one endpoint.
const ENDPOINT_CONCURRENCY: u32 = 4;
/// Deliveries at once: what all endpoints may have, so that none takes another one's, however slow it is.
const CONCURRENCY: u32 = MAX_ENDPOINTS * ENDPOINT_CONCURRENCY;

/// The one step, which results in the status that was answered.
const DELIVER: &str = "deliver";

/// See the module.
pub(super) struct EventAnyWebhookSender {
    outbound: Outbound,
    /// Opens the endpoints' secrets.
    keys: SealKeys,
    flood: Flood,
}

impl FromEnv for EventAnyWebhookSender {
    /// The function, with `SATCHEL_WEBHOOKS=on`; faults are noted in `env`.
    fn from_env(env: &mut Env) -> Option<Self> {
        if env.or("SATCHEL_WEBHOOKS", Switch::Off) == Switch::Off {
            return None;
        }
        let keys = SealKeys::from_env(env);
        if keys.is_none() {
            env.fault("SATCHEL_SECRETS_KEY", "is required with SATCHEL_WEBHOOKS=on: it opens the endpoints' secrets");
        }
        let flood = Flood::from_env(env, "SATCHEL_WEBHOOKS_ORDER", "SATCHEL_WEBHOOKS_MAX_AGE_SECONDS");
        Some(Self { outbound: Outbound::from_env(env)?, keys: keys?, flood })
    }
}

impl EventAnyWebhookSender {
    /// Sends it once, and has the endpoint's breaker know what came of it.
    async fn deliver(
        &self,
        event: &Event,
        steps: &Steps<'_>,
        endpoint_id: Uuid,
        to: &Destination,
    ) -> Result<u16, Failure> {
        let body = serde_json::to_vec(&CloudEvent::of(event))?;
        let headers = headers(to, &steps.run_id().to_string(), steps.now().timestamp(), &body)?;
        let sent = self.outbound.post(&to.url, headers, body).await;
        let pool = steps.pool();
        if let Ok(Answered { status, .. }) = &sent
            && status.is_success()
        {
            sending::succeeded(pool, endpoint_id).await.map_err(Failure::of_store)?;
            return Ok(status.as_u16());
        }
        let answered = sent.as_ref().ok();
        let refusal = Refusal {
            is_probe: to.is_probe,
            is_gone: answered.is_some_and(|answered| answered.status == StatusCode::GONE),
            retry_after: answered.and_then(wait_asked_for),
        };
        let noted = soon(sending::failed(pool, endpoint_id, steps.claimed(), refusal)).await;
        noted.map_err(Failure::of_store)?;
        Err(match sent {
            Ok(answered) => refused(&answered),
            Err(unsent @ (Unsent::Url(_) | Unsent::Address(_))) => Failure::permanent(unsent.to_string()),
            Err(Unsent::Network(error)) => Failure::retriable(error),
        })
    }
}

#[async_trait]
impl Function for EventAnyWebhookSender {
    fn id(&self) -> &'static str {
        FUNCTION
    }

    fn subscribes_to(&self) -> Subscription {
        Subscription::All
    }

    fn fanout(&self) -> Fanout {
        Fanout::each(endpoints::KIND)
    }

    fn policy(&self) -> Policy {
        self.flood.apply(Policy {
            retries: RETRIES,
            first_delay: FIRST_DELAY,
            max_delay: MAX_DELAY,
            timeout: TIMEOUT,
            limits: Limits {
                concurrency: CONCURRENCY,
                key: KeyOf::Target,
                key_concurrency: ENDPOINT_CONCURRENCY,
                ..Policy::default().limits
            },
            ..Policy::default()
        })
    }

    async fn handle(&self, event: &Event, steps: &mut Steps<'_>) -> Result<(), Failure> {
        let endpoint_id = Uuid::try_parse(steps.target())
            .map_err(|error| Failure::permanent(format!("the run's target: {error}")))?;
        if steps.is_done(DELIVER) {
            return Ok(());
        }
        let to = match sending::admit(steps.pool(), endpoint_id, &self.keys).await.map_err(Failure::of_store)? {
            Admission::Send(to) => to,
            Admission::NotBefore(when) => return Err(Failure::not_before(when)),
            Admission::Never => return Err(Failure::cancelled()),
        };
        let status = self.deliver(event, steps, endpoint_id, &to).await?;
        steps.run(DELIVER, |_| async move { Ok(status) }).await.map(drop)
    }
}

/// The time that a receiver asks to be left alone.
fn wait_asked_for(answered: &Answered) -> Option<Duration> {
    let waits = matches!(answered.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    answered.retry_after.filter(|_| waits)
}

/// The failure that a status other than success means.
fn refused(answered: &Answered) -> Failure {
    let status = answered.status;
    let error = if status.is_redirection() {
        format!("the receiver answered {status}: redirects are not followed")
    } else {
        format!("the receiver answered {status}")
    };
    match wait_asked_for(answered) {
        _ if status == StatusCode::GONE => Failure::permanent(format!("{error}: the endpoint is disabled")),
        Some(after) => Failure::retry_after(error, after),
        None => Failure::retriable(error),
    }
}

fn headers(to: &Destination, id: &str, timestamp: i64, body: &[u8]) -> Result<HeaderMap, InvalidHeaderValue> {
    let secrets = std::iter::once(&to.secret).chain(&to.previous_secret);
    let signatures: Vec<String> = secrets.map(|secret| secret.sign(id, timestamp, body)).collect();
    Ok(HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(CloudEvent::CONTENT_TYPE)),
        (HeaderName::from_static("webhook-id"), HeaderValue::from_str(id)?),
        (HeaderName::from_static("webhook-timestamp"), HeaderValue::from(timestamp)),
        (HeaderName::from_static("webhook-signature"), HeaderValue::from_str(&signatures.join(" "))?),
    ]))
}

#[cfg(test)]
mod tests {
    use satchel_model::access::WebhookSecret;

    use super::*;

    #[test]
    fn both_secrets_sign_the_same_message() {
        let (secret, previous) = (WebhookSecret::new([1; 32]), WebhookSecret::new([2; 32]));
        let previous_secret = Some(previous.clone());
        let to = Destination { url: String::new(), secret: secret.clone(), previous_secret, is_probe: false };
        let headers = headers(&to, "m1", 1_700_000_000, b"{}").unwrap();
        let signatures = [secret, previous].map(|secret| secret.sign("m1", 1_700_000_000, b"{}"));
        assert_eq!(headers["webhook-signature"], signatures.join(" "));
        assert_eq!(headers["webhook-timestamp"], "1700000000");
        assert_eq!(headers["content-type"], "application/cloudevents+json");
    }
}
