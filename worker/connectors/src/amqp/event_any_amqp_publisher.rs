//! `event-any-amqp-publisher`: publishes every event to a topic exchange of an AMQP broker, each user's in order.

use std::time::Duration;

use async_trait::async_trait;
use lapin::BasicProperties;
use lapin::types::ShortString;
use lapin::uri::AMQPUri;
use satchel_functions::{Failure, Flood, FromEnv, Function, KeyOf, Limits, Policy, Steps, Subscription};
use satchel_model::events::{EventType, FunctionFailed};
use satchel_model::records::Event;
use satchel_settings::Env;
use satchel_wire::cloud_event::CloudEvent;
use secrecy::ExposeSecret;

use super::exchange::{Exchange, Unpublished};

const ID: &str = "event-any-amqp-publisher";
const URL: &str = "SATCHEL_AMQP_URL";
const EXCHANGE: &str = "SATCHEL_AMQP_EXCHANGE";
const DEFAULT_EXCHANGE: &str = "satchel.events";
/// The longest name of an exchange, in bytes (AMQP 0-9-1, "exchange-name").
const MAX_EXCHANGE_BYTES: usize = 127;
/// A durable queue keeps the message over the broker's restart (AMQP 0-9-1, "delivery-mode").
const PERSISTENT: u8 = 2;

/// Most tries of a message that no queue is bound for, about a minute in all: somebody may be about to bind one, but its
/// user's later events wait.
const MAX_UNROUTABLE_TRIES: i32 = 6;

/// See the module.
pub(super) struct EventAnyAmqpPublisher {
    exchange: Exchange,
    flood: Flood,
}

impl FromEnv for EventAnyAmqpPublisher {
    /// Reads `SATCHEL_AMQP_URL` (`amqp://user:password@host/vhost`, or `amqps`) and `SATCHEL_AMQP_EXCHANGE`; `None` if
    /// there is no URL. Faults are noted in `env`.
    fn from_env(env: &mut Env) -> Option<Self> {
        let name = env.or(EXCHANGE, DEFAULT_EXCHANGE.to_owned());
        if name.len() > MAX_EXCHANGE_BYTES {
            env.fault(EXCHANGE, format!("must have at most {MAX_EXCHANGE_BYTES} bytes"));
            return None;
        }
        let url = env.optional_secret(URL)?;
        let Some(uri) = read(url.expose_secret()) else {
            // What is wrong with it could tell the password.
            env.fault(URL, "must be amqp://user:password@host/vhost, or amqps; special characters percent-encoded");
            return None;
        };
        let flood = Flood::in_order_from_env(env, "SATCHEL_AMQP_MAX_AGE_SECONDS");
        Some(Self { exchange: Exchange::new(uri, ShortString::from(name)), flood })
    }
}

#[async_trait]
impl Function for EventAnyAmqpPublisher {
    fn id(&self) -> &'static str {
        ID
    }

    fn subscribes_to(&self) -> Subscription {
        Subscription::All
    }

    fn policy(&self) -> Policy {
        self.flood.apply(Policy {
            // An hour at least, and then half a minute at most until a broker that is back has every user's next event: it is the
            // studio's own, and a try costs it nothing while it is away.
            retries: 245,
            first_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
            limits: Limits {
                concurrency: 64,
                rate: None,
                key: KeyOf::User,
                key_concurrency: 1,
                key_rate: None,
                ordered: true,
                newest_first: false,
            },
            ..Policy::default()
        })
    }

    async fn handle(&self, event: &Event, steps: &mut Steps<'_>) -> Result<(), Failure> {
        if is_of_its_own(event) {
            return Ok(());
        }
        let told = CloudEvent::of(event);
        let message = serde_json::to_vec(&told)?;
        let properties = BasicProperties::default()
            .with_content_type(CloudEvent::CONTENT_TYPE.into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(ShortString::try_new(event.id.as_str())?)
            .with_type(ShortString::try_new(event.name.as_str())?)
            .with_timestamp(u64::try_from(told.time().timestamp()).unwrap_or_default());
        let key = event.name.as_str().replace('/', ".");
        let tries = steps.claimed().tries + 1;
        let publish = |_| async {
            let published = self.exchange.publish(&key, &message, properties).await;
            published.map_err(|unpublished| match unpublished {
                Unpublished::NoRoute(why) if tries >= MAX_UNROUTABLE_TRIES => Failure::permanent(why),
                Unpublished::NoRoute(why) | Unpublished::Broker(why) => Failure::retriable(why),
            })
        };
        steps.run("publish", publish).await
    }
}

/// Whether it tells that this function has failed: what could not be published would be told of by what cannot either.
fn is_of_its_own(event: &Event) -> bool {
    event.name.as_str() == FunctionFailed::NAME
        && serde_json::from_str::<FunctionFailed>(event.data.get()).is_ok_and(|failed| failed.function_id == ID)
}

/// The broker that a URL names. (The URL's own parser takes an IPv6 address for no host at all.)
fn read(url: &str) -> Option<AMQPUri> {
    let mut uri: AMQPUri = url.parse().ok()?;
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    if host.is_empty() {
        return None;
    }
    if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        address.clone_into(&mut uri.authority.host);
    }
    Some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(variables: &[(&str, &str)]) -> (Option<EventAnyAmqpPublisher>, String) {
        let mut env = Env::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let function = EventAnyAmqpPublisher::from_env(&mut env);
        (function, env.finish().err().map(|faults| faults.to_string()).unwrap_or_default())
    }

    #[test]
    fn it_is_off_unless_a_broker_is_named() {
        let (function, faults) = function(&[(EXCHANGE, "mine")]);
        assert!(function.is_none());
        assert_eq!(faults, "");
    }

    #[test]
    fn a_bad_setting_is_a_fault_that_does_not_tell_the_password() {
        for odd in ["amqp:user:s3cret@host", "http://user:s3cret@host", "amqp://user:s3cret@host:port", "amqp://"] {
            let (function, faults) = function(&[(URL, odd)]);
            assert!(function.is_none(), "{odd}");
            assert!(faults.contains(URL) && !faults.contains("s3cret"), "{faults}");
        }
        let (long, url) = ("x".repeat(128), "amqp://host");
        assert!(function(&[(URL, url), (EXCHANGE, &long)]).1.contains("127 bytes"));
        assert!(function(&[(URL, url), (EXCHANGE, &long[1..])]).0.is_some());
    }

    #[test]
    fn a_url_names_user_host_and_virtual_host() {
        let uri = read("amqps://us%40er:pass@broker.example:5999/my%2Fgame").unwrap();
        assert_eq!((uri.authority.host.as_str(), uri.authority.port), ("broker.example", 5999));
        assert_eq!((uri.authority.userinfo.username.as_str(), uri.vhost.as_str()), ("us@er", "my/game"));
        let uri = read("amqp://user:pass@[::1]:5999").unwrap();
        assert_eq!((uri.authority.host.as_str(), uri.authority.port, uri.vhost.as_str()), ("::1", 5999, "/"));
    }
}
