//! What an event gives to its user.

use satchel_forms::{At, Faults, Form, Node};
use serde::Serialize;
use serde_json::{Map, Value};

use super::ItemQuantity;
use super::data_pointer::DataPointer;
use super::item::{Effect, read_grant};
use super::reading::{Reading, read_own};
use super::references::Thing;
use crate::facts::OnceKey;
use crate::ids::{EventName, RuleId};

/// A reward rule.
///
/// Serialises to its canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Form)]
#[serde(rename_all = "camelCase")]
#[form(context = Reading)]
pub struct Rule {
    /// What it is called; unique in a catalogue.
    pub id: RuleId,
    /// The event: one of the game's own.
    #[form(with = read_on)]
    pub on: EventName,
    /// Where in the event's data the value is for which the rule gives once ever; without it, it gives for each event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[form(with = read_once_per)]
    pub once_per: Option<DataPointer>,
    /// What it gives, each id once.
    #[form(entries = 1..=Effect::MAX_GRANTS, each = read_grant)]
    pub grant: Vec<ItemQuantity>,
}

impl Rule {
    /// The value for which the rule gives once.
    ///
    /// # Errors
    /// The place in the data where there should be one, and is none.
    pub fn once_key<'r>(&'r self, data: &Map<String, Value>) -> Result<Option<OnceKey>, &'r DataPointer> {
        let Some(pointer) = &self.once_per else { return Ok(None) };
        let key = pointer.find(data).and_then(|value| OnceKey::of(&self.id, value));
        key.map(Some).ok_or(pointer)
    }
}

/// A rule.
pub(super) fn read_rule(
    node: Node,
    at: &At<'_>,
    earlier: &[Rule],
    reading: &mut Reading,
    faults: &mut Faults,
) -> Option<Rule> {
    reading.from = None;
    let rule = Rule::read(node, at, reading, faults)?;
    if earlier.iter().any(|other| other.id == rule.id) {
        faults.note(&at.field("id"), format!("names {} a second time", rule.id));
    }
    Some(rule)
}

/// The event that a rule is for.
fn read_on(node: Node, at: &At<'_>, reading: &mut Reading, faults: &mut Faults) -> Option<EventName> {
    let on = read_own(node, at, reading, faults)?;
    reading.check_on(&on, at, faults);
    reading.from = Some(Thing::Event(on.clone()));
    Some(on)
}

/// For what a rule gives once.
fn read_once_per(node: Node, at: &At<'_>, reading: &mut Reading, faults: &mut Faults) -> Option<DataPointer> {
    let once_per = DataPointer::read(node, at, reading, faults)?;
    reading.check_once_per(&once_per, at, faults);
    Some(once_per)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_that_a_rule_gives_for_is_plain_and_short() {
        let rule = Rule {
            id: RuleId::parse("r").unwrap(),
            on: EventName::parse("a/b").unwrap(),
            once_per: Some(DataPointer::parse("/v").unwrap()),
            grant: Vec::new(),
        };
        let key = |value: Value| {
            let Value::Object(data) = json!({"v": value}) else { unreachable!() };
            rule.once_key(&data).map(|key| key.unwrap().value).map_err(|at| at.as_str().to_owned())
        };
        assert_eq!(
            (key(json!("1")), key(json!(1)), key(json!(true))),
            (Ok("\"1\"".into()), Ok("1".into()), Ok("true".into()))
        );
        for odd in [json!(null), json!([1]), json!({}), json!("x".repeat(255))] {
            assert_eq!(key(odd), Err("/v".to_owned()));
        }
        assert_eq!(rule.once_key(&Map::new()).err().unwrap().as_str(), "/v");
    }
}
