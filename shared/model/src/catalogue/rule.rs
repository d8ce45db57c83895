//! What an event gives to its user.

use serde::Serialize;
use serde_json::{Map, Value};

use super::ItemQuantity;
use crate::facts::OnceKey;
use crate::ids::{EventName, RuleId};

/// A reward rule. Serialises to its canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// What it is called; unique in a catalogue.
    pub id: RuleId,
    /// The event: one of the game's own.
    pub on: EventName,
    /// Where in the event's data the value is for which the rule gives once ever; without it, it gives for each event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub once_per: Option<DataPointer>,
    /// What it gives: 1 to [`super::Effect::MAX_GRANTS`] items, each id once.
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

/// A JSON Pointer (RFC 6901) into an event's data, to a member of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DataPointer(String);

/// A text that is no such pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a JSON Pointer (RFC 6901) of at most {} bytes, e.g. /planetId", DataPointer::MAX_BYTES)]
pub struct InvalidPointer;

impl DataPointer {
    /// The longest, in bytes.
    pub const MAX_BYTES: usize = 200;

    /// Parses the text.
    ///
    /// # Errors
    /// [`InvalidPointer`].
    pub fn parse(text: &str) -> Result<Self, InvalidPointer> {
        let is_escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        let is_pointer = text.starts_with('/') && is_escaped && text.len() <= Self::MAX_BYTES;
        if is_pointer { Ok(Self(text.to_owned())) } else { Err(InvalidPointer) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names and numbers on the way, unescaped.
    pub(super) fn segments(&self) -> Vec<String> {
        self.0.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect()
    }

    /// What it points to.
    fn find<'d>(&self, data: &'d Map<String, Value>) -> Option<&'d Value> {
        let rest = self.0.strip_prefix('/')?;
        let (member, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        data.get(&member.replace("~1", "/").replace("~0", "~"))?.pointer(below)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pointer_finds_members_at_any_depth() {
        let Value::Object(data) = json!({"a": {"b": [1, "x"]}, "c/d~": true}) else { unreachable!() };
        let find = |text: &str| DataPointer::parse(text).unwrap().find(&data).cloned();
        assert_eq!(find("/a/b/1"), Some(json!("x")));
        assert_eq!(find("/c~1d~0"), Some(json!(true)));
        assert_eq!((find("/b"), find("/a/b/2")), (None, None));
        for odd in ["", "a", "/a~2", "/a~", &format!("/{}", "a".repeat(200))] {
            assert_eq!(DataPointer::parse(odd), Err(InvalidPointer), "{odd}");
        }
    }

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
