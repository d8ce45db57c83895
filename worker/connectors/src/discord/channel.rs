//! Messages to a Discord channel by its webhook: embeds, with mentions disabled, at the pace that Discord asks for.
//! (Discord's developer documentation: "Execute Webhook", "Embed Limits", "Rate Limits".)

use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use satchel_functions::{Failure, Flood, Limits, Policy, Rate, Steps};
use satchel_model::moment;
use satchel_model::records::Event;
use satchel_settings::Env;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;

use crate::outbound::{Answered, Outbound, Unsent};

/// The most fields of an embed.
const MAX_FIELDS: usize = 25;
/// A channel takes five messages in two seconds.
const INTERVAL_MS: i64 = 400;
const BURST: u32 = 5;

/// A channel.
pub(super) struct Channel {
    outbound: Outbound,
    /// It holds a token.
    url: SecretString,
    /// Until when Discord wants no more messages.
    closed_until: Mutex<DateTime<Utc>>,
    flood: Flood,
}

/// A message: a title, and one field for each thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) title: String,
    pub(super) fields: Vec<Field>,
}

/// See [`Message`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) inline: bool,
}

impl Field {
    pub(super) fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), inline: true }
    }
}

impl Channel {
    /// The channel whose webhook's URL the variable holds, if it is set, with its settings for floods; faults are noted in
    /// `env`.
    pub(super) fn from_env(env: &mut Env, variable: &str, order: &str, max_age: &str) -> Option<Self> {
        let url = env.optional_secret(variable)?;
        let outbound = Outbound::from_env(env)?;
        let flood = Flood::from_env(env, order, max_age);
        if let Err(error) = outbound.check(url.expose_secret()) {
            env.fault(variable, error);
            return None;
        }
        Some(Self { outbound, url, closed_until: Mutex::default(), flood })
    }

    /// Retries and pace of messages.
    pub(super) fn policy(&self) -> Policy {
        let rate = Rate { interval: TimeDelta::milliseconds(INTERVAL_MS), burst: BURST };
        let policy = Policy::default();
        let limits = Limits { concurrency: 2, rate: Some(rate), ..policy.limits };
        self.flood.apply(Policy { retries: 10, limits, ..policy })
    }

    /// Posts a message, as a step.
    ///
    /// # Errors
    /// A [`Failure`] that says when to try again, if Discord said so.
    pub(super) async fn post(&self, event: &Event, message: Message, steps: &mut Steps<'_>) -> Result<(), Failure> {
        let now = steps.now();
        let closed_until = *self.closed_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if closed_until > now {
            return Err(Failure::not_before(closed_until));
        }
        let body = body(event, message);
        steps.run("post", |_| async move { self.send(body, now).await }).await.map(drop)
    }

    async fn send(&self, body: Vec<u8>, now: DateTime<Utc>) -> Result<u16, Failure> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let sent = self.outbound.post(self.url.expose_secret(), headers, body).await;
        let Answered { status, retry_after, spent_for } = sent.map_err(|unsent| match unsent {
            Unsent::Url(_) | Unsent::Address(_) => Failure::permanent(unsent.to_string()),
            Unsent::Network(error) => Failure::retriable(error),
        })?;
        if let Some(closed) = retry_after.filter(|_| status == StatusCode::TOO_MANY_REQUESTS).or(spent_for) {
            let until = now + TimeDelta::from_std(closed).unwrap_or_default();
            let mut closed_until = self.closed_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *closed_until = until.max(*closed_until);
        }
        let error = format!("Discord answered {status}");
        match status {
            _ if status.is_success() => Ok(status.as_u16()),
            StatusCode::TOO_MANY_REQUESTS => {
                Err(Failure::retry_after(error, retry_after.or(spent_for).unwrap_or(Duration::from_secs(1))))
            }
            _ if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => Err(Failure::retriable(error)),
            // The webhook is gone, or it does not like the message: that stays so.
            _ => Err(Failure::permanent(error)),
        }
    }
}

fn body(event: &Event, message: Message) -> Vec<u8> {
    let Message { title, mut fields } = message;
    if fields.len() > MAX_FIELDS {
        let left = fields.len() - (MAX_FIELDS - 1);
        fields.truncate(MAX_FIELDS - 1);
        fields.push(Field::new("and more", format!("{left} others")));
    }
    let document = json!({
        "embeds": [{
            "title": title,
            "fields": fields,
            "timestamp": moment::text(event.occurred_at.unwrap_or(event.at)),
            "footer": {"text": format!("event {}", event.id)},
        }],
        "allowed_mentions": {"parse": []},
    });
    document.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use satchel_model::ids::{EventName, Shard, UserId};
    use satchel_model::records::Place;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn a_message_mentions_nobody_and_has_no_more_fields_than_discord_takes() {
        let event = Event {
            id: "e1".into(),
            name: EventName::parse("item/used").unwrap(),
            version: 1,
            source: "satchel".into(),
            user_id: UserId::parse("u1").unwrap(),
            at: DateTime::UNIX_EPOCH,
            occurred_at: None,
            job_id: None,
            data: RawValue::NULL.to_owned(),
            is_quiet: false,
            place: Place { shard: Shard::new(0), seq: 1 },
        };
        let message = |fields: usize| {
            let fields = (0..fields).map(|n| Field::new(format!("f{n}"), "v")).collect();
            let body = body(&event, Message { title: "T".into(), fields });
            serde_json::from_slice::<Value>(&body).unwrap()
        };
        let few = message(25);
        assert_eq!((&few["allowed_mentions"], &few["embeds"][0]["title"]), (&json!({"parse": []}), &json!("T")));
        assert_eq!(few["embeds"][0]["fields"].as_array().unwrap().len(), 25);
        let many = message(30);
        let fields = many["embeds"][0]["fields"].as_array().unwrap();
        assert_eq!((fields.len(), &fields[24]["value"]), (25, &json!("6 others")));
    }
}
