//! How an event is told to others: as a CloudEvent, version 1.0, in the JSON format.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use satchel_model::records::{Event, OWN_SOURCE};

/// An event as a CloudEvent; serialised, it is the JSON document.
#[derive(Debug, Clone, Serialize)]
pub struct CloudEvent<'a> {
    specversion: &'static str,
    /// With `source`, what tells it from every other event.
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    name: &'a str,
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    time: DateTime<Utc>,
    /// The user whom it is about.
    subject: &'a str,
    datacontenttype: &'static str,
    /// An extension: the version of the data's form.
    eventversion: i16,
    /// An extension: whose events are numbered together. A user's are all of one shard.
    shard: u16,
    /// The extension "Sequence": what is greater, as a text, was committed later in the shard.
    sequence: String,
    data: &'a RawValue,
}

impl<'a> CloudEvent<'a> {
    /// The media type of the document (CloudEvents JSON format, section 3).
    pub const CONTENT_TYPE: &'static str = "application/cloudevents+json";

    /// The event as one.
    #[must_use]
    pub fn of(event: &'a Event) -> Self {
        Self {
            specversion: "1.0",
            id: &event.id,
            source: source(&event.source),
            name: event.name.as_str(),
            time: event.occurred_at.unwrap_or(event.at),
            subject: event.user_id.as_str(),
            datacontenttype: "application/json",
            eventversion: event.version,
            shard: event.place.shard.get(),
            sequence: event.place.sequence(),
            data: &event.data,
        }
    }

    /// When it happened, as its sender says; else when it was committed.
    #[must_use]
    pub fn time(&self) -> DateTime<Utc> {
        self.time
    }
}

/// `/satchel` for Satchel's own events, else below it who sent them: a URI reference.
fn source(source: &str) -> String {
    let mut uri = "/satchel".to_owned();
    if source == OWN_SOURCE {
        return uri;
    }
    uri.push('/');
    for byte in source.bytes() {
        // What a segment of a path may have as it is (RFC 3986, section 3.3).
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use satchel_model::ids::{EventName, Shard, UserId};
    use satchel_model::records::Place;
    use serde_json::{Value, json};

    use super::*;

    fn event() -> Event {
        Event {
            id: "e1".to_owned(),
            name: EventName::parse("planet/completed").unwrap(),
            version: 2,
            source: "service:game".to_owned(),
            user_id: UserId::parse("u1").unwrap(),
            at: "2026-01-31T12:00:00.25Z".parse().unwrap(),
            occurred_at: None,
            job_id: None,
            data: RawValue::from_string(r#"{"planetId":"mars"}"#.to_owned()).unwrap(),
            is_quiet: false,
            place: Place { shard: Shard::new(7), seq: 41 },
        }
    }

    #[test]
    fn the_document_has_the_attributes_of_version_1() {
        let document: Value = serde_json::to_value(CloudEvent::of(&event())).unwrap();
        let expected = json!({
            "specversion": "1.0",
            "id": "e1",
            "source": "/satchel/service:game",
            "type": "planet/completed",
            "time": "2026-01-31T12:00:00.250000Z",
            "subject": "u1",
            "datacontenttype": "application/json",
            "eventversion": 2,
            "shard": 7,
            "sequence": "0000000000000000041",
            "data": {"planetId": "mars"},
        });
        assert_eq!(document, expected);
        let names = document.as_object().unwrap().keys();
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        assert!(names.into_iter().all(|name| name.bytes().all(allowed)), "CloudEvents 1.0, section 3.1");
    }

    #[test]
    fn sequences_as_texts_are_in_the_order_of_the_numbers() {
        let numbers = [1, 9, 10, 99, 1_000_000, i64::MAX];
        assert!(numbers.map(|seq| Place { shard: Shard::new(0), seq }.sequence()).is_sorted());
    }

    #[test]
    fn the_time_is_the_senders_where_there_is_one() {
        let occurred_at = "2026-01-30T00:00:00Z".parse().unwrap();
        let event = Event { occurred_at: Some(occurred_at), ..event() };
        assert_eq!(CloudEvent::of(&event).time(), occurred_at);
    }

    #[test]
    fn the_source_is_a_uri_reference_whoever_the_sender_is() {
        assert_eq!(source("satchel"), "/satchel");
        assert_eq!(source("service:match-server"), "/satchel/service:match-server");
        assert_eq!(source("service:a/b ?#%é"), "/satchel/service:a%2Fb%20%3F%23%25%C3%A9");
        assert_eq!(source("service:satchel"), "/satchel/service:satchel");
    }
}
