//! A game server tells what happened; the catalogue's rules reward it in the same transaction.

use chrono::{DateTime, Utc};
use satchel_forms::{At, Faults, Form, Node, Pointer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Context, Entrance, Job, Operation, Priority};
use crate::access::{Access, Scope};
use crate::catalogue::Catalogue;
use crate::decide::{Draft, GameEvent, RuleOutcome, reads_of_rules};
use crate::facts::Reads;
use crate::ids::{EventId, EventName, UserId};
use crate::json::raw;
use crate::rejection::{Rejection, RejectionCode};

/// Tells of one of the game's own events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Form)]
#[serde(rename_all = "camelCase")]
pub struct SendEvent {
    /// The sender's name for it: the same one twice is one event.
    pub event_id: EventId,
    /// What happened.
    pub name: EventName,
    /// What there is to tell of it.
    ///
    /// What was accepted once is applied, whatever is asked of new events by now.
    #[form(default)]
    pub data: Map<String, Value>,
    /// When it happened, as the sender says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::moment::serialize")]
    #[form(text = crate::moment::parse)]
    pub at: Option<DateTime<Utc>>,
}

/// An event as a game server sends it.
#[derive(Debug, Clone, PartialEq, Eq, Form)]
#[serde(rename_all = "camelCase")]
pub struct EventSubmission {
    /// Whom it is about.
    user_id: UserId,
    /// Whether it is recorded, but given to no function.
    #[form(default)]
    quiet: bool,
    /// The sender's name for it: the same one twice is one event.
    id: EventId,
    /// What happened.
    name: EventName,
    /// What there is to tell of it.
    #[form(default, with = read_sent_data)]
    data: Map<String, Value>,
    /// When it happened.
    #[form(text = crate::moment::parse)]
    at: Option<DateTime<Utc>>,
}

impl From<EventSubmission> for Job {
    fn from(sent: EventSubmission) -> Self {
        let EventSubmission { user_id, quiet, id: event_id, name, data, at } = sent;
        let work = SendEvent { event_id, name, data, at }.into();
        Self { user_id, reason: None, priority: Priority::default(), not_before: None, quiet, work }
    }
}

/// What came of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventResult {
    /// The event.
    pub event: Sent,
    /// What rules gave for it.
    pub rewards: Vec<RuleOutcome>,
}

/// An event that was told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sent {
    /// Its sender's name for it.
    pub id: String,
    /// What happened.
    pub name: String,
}

impl SendEvent {
    /// The deepest nesting of `data` that is taken in, `data` itself being the first level. Far below what JSON is read
    /// to: an event goes on in envelopes and messages, which wrap it, and each of them must be read again.
    pub const MAX_DATA_LEVELS: usize = 32;

    /// Reads an event as HTTP.md "Events" writes it: `{"id", "name", "userId", "data", "at", "quiet"}`.
    ///
    /// # Errors
    /// Every fault with its pointer.
    pub fn parse_event(node: Node, at: Pointer) -> Result<Job, Faults> {
        satchel_forms::read::<EventSubmission>(node, at).map(Job::from)
    }

    /// Whether the catalogue has such an event.
    ///
    /// # Errors
    /// Every fault, in an event that stands `at` some place.
    pub fn check(&self, catalogue: &Catalogue, at: &Pointer) -> Result<(), Faults> {
        if !catalogue.knows_event(&self.name) {
            return Err(Faults::one(at.field("name"), format!("the catalogue has no event {}", self.name)));
        }
        catalogue.check_event(&self.name, &self.data, &at.field("data"))
    }
}

impl Operation for SendEvent {
    const NAME: &'static str = "send_event";
    const ACCESS: Access = Access { scope: Scope::EventsWrite, players: false };
    const ENTRANCE: Entrance = Entrance::Events;
    type Outcome = EventResult;

    fn reads<'a>(&'a self, context: &Context<'a, '_>, reads: &mut Reads<'a>) {
        reads_of_rules(context.catalogue, context.user_id, &self.name, &self.data, reads);
    }

    fn checks(&self, catalogue: &Catalogue) -> u64 {
        catalogue.event_work(&self.name, &self.data)
    }

    fn decide(&self, draft: &mut Draft<'_>) -> Result<EventResult, Rejection> {
        let catalogue = draft.catalogue();
        if !catalogue.knows_event(&self.name) {
            let message = format!("the catalogue has no event {}", self.name);
            return Err(Rejection::new(RejectionCode::UnknownEvent, message));
        }
        self.check(catalogue, &Pointer::root()).map_err(|faults| Rejection::invalid_event(faults.to_string()))?;
        let (id, name) = (self.event_id.to_string(), self.name.clone());
        let sent = Sent { id: id.clone(), name: name.to_string() };
        let event = GameEvent { name, id: Some(id), occurred_at: self.at, data: raw(&self.data) };
        Ok(EventResult { event: sent, rewards: draft.record(event, &self.data) })
    }
}

/// Reads the data of an event that is sent.
fn read_sent_data<C: ?Sized>(
    node: Node,
    at: &At<'_>,
    context: &mut C,
    faults: &mut Faults,
) -> Option<Map<String, Value>> {
    let most = SendEvent::MAX_DATA_LEVELS;
    if node.is_deeper_than(most) {
        faults.note(at, format!("must not be nested deeper than {most} levels"));
        return None;
    }
    node.note_nul(&at.pointer(), faults);
    Map::read(node, at, context, faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an event with such data.
    fn with_data(data: &str) -> Result<Job, Vec<String>> {
        let text = format!(r#"{{"id":"e","name":"a/b","userId":"u1","data":{data}}}"#);
        SendEvent::parse_event(Node::parse(text.as_bytes()).unwrap(), Pointer::root()).map_err(|faults| {
            faults.as_slice().iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect()
        })
    }

    #[test]
    fn data_is_nested_so_deep_and_no_deeper() {
        let arrays = |levels: usize| format!(r#"{{"a":{}1{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
        let objects = |levels: usize| format!("{}{{}}{}", r#"{"a":"#.repeat(levels - 1), "}".repeat(levels - 1));
        for data in [arrays(32), objects(32)] {
            assert!(with_data(&data).is_ok(), "{data}");
        }
        for data in [arrays(33), objects(33), arrays(100)] {
            assert_eq!(with_data(&data), Err(vec!["/data must not be nested deeper than 32 levels".to_owned()]));
        }
    }

    #[test]
    fn data_has_no_nul_in_any_text_or_name() {
        let data = r#"{"a":["b",{"c":"d\u0000e"}],"f\u0000":{"\u0000":1},"g":"\\u0000","h":"\u0001"}"#;
        let fault = |pointer: &str| format!("{pointer} must not contain the character U+0000");
        assert_eq!(with_data(data), Err(vec![fault("/data/a/1/c"), fault("/data/f\0"), fault("/data/f\0/\0")]));
    }
}
