//! An event as others know events: `CloudEvents` 1.0, in its JSON format.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::store::events::Event;

/// Satchel itself, as a source.
const OWN_SOURCE: &str = "/satchel";

/// What a segment of a path may have as it is (RFC 3986 section 3.3, `pchar`).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// See the module. `source` and `id` together are unique.
#[derive(Debug, Clone, Serialize)]
pub struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: Cow<'static, str>,
    #[serde(rename = "type")]
    name: &'a str,
    time: DateTime<Utc>,
    subject: &'a str,
    datacontenttype: &'static str,
    eventversion: i16,
    data: &'a RawValue,
}

impl<'a> CloudEvent<'a> {
    /// The media type of one in structured mode.
    pub const MEDIA_TYPE: &'static str = "application/cloudevents+json";

    /// The event, in this form.
    #[must_use]
    pub fn of(event: &'a Event) -> Self {
        let source = match event.source.as_str() {
            "satchel" => OWN_SOURCE.into(),
            sender => format!("{OWN_SOURCE}/{}", utf8_percent_encode(sender, ESCAPED)).into(),
        };
        Self {
            specversion: "1.0",
            id: &event.id,
            source,
            name: event.name.as_str(),
            time: event.occurred_at.unwrap_or(event.at),
            subject: event.user_id.as_str(),
            datacontenttype: "application/json",
            eventversion: event.version,
            data: &event.data,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{EventName, Shard, UserId, raw};
    use crate::store::events::Place;

    fn event(source: &str, occurred_at: Option<DateTime<Utc>>) -> Event {
        Event {
            id: "e1".into(),
            name: EventName::parse("planet/completed").unwrap(),
            version: 2,
            source: source.into(),
            user_id: UserId::parse("u1").unwrap(),
            at: "2026-01-31T12:00:00.5Z".parse().unwrap(),
            occurred_at,
            job_id: None,
            data: raw(&json!({"planetId": "mars"})),
            place: Place { shard: Shard::new(1), seq: 1 },
        }
    }

    #[test]
    fn it_has_the_attributes_of_cloud_events_1_0() {
        let told = serde_json::to_value(CloudEvent::of(&event("satchel", None))).unwrap();
        assert_eq!(
            told,
            json!({"specversion": "1.0", "id": "e1", "source": "/satchel", "type": "planet/completed",
                   "time": "2026-01-31T12:00:00.500Z", "subject": "u1", "datacontenttype": "application/json",
                   "eventversion": 2, "data": {"planetId": "mars"}})
        );
    }

    #[test]
    fn another_source_is_a_path_below_satchel_and_its_time_counts() {
        let occurred_at = "2025-01-01T00:00:00Z".parse().unwrap();
        let told = serde_json::to_value(CloudEvent::of(&event("service:a b/ü", Some(occurred_at)))).unwrap();
        assert_eq!(told["source"], "/satchel/service:a%20b%2F%C3%BC");
        assert_eq!(told["time"], "2025-01-01T00:00:00Z");
    }
}
