//! What an audit reads of a record's body: what it says that it has changed, without copies of it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

/// A record's changes.
#[derive(Debug, Deserialize)]
pub(super) struct Changes<'a> {
    #[serde(borrow, default)]
    pub(super) changes: Vec<Change<'a>>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
    Stack {
        item_id: Cow<'a, str>,
        delta: i64,
        balance: i64,
    },
    Once {
        rule_id: Cow<'a, str>,
        value: Cow<'a, str>,
    },
    /// Nothing that is kept elsewhere as well.
    Other,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[expect(dead_code, reason = "what brought a change about is nothing to check")]
struct Stack<'a>(#[serde(borrow)] Text<'a>, i64, i64, #[serde(default)] Option<IgnoredAny>);

#[derive(Deserialize)]
struct Once<'a>(#[serde(borrow)] Text<'a>, #[serde(borrow)] Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Change<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneMember)
    }
}

struct OneMember;

impl<'de> Visitor<'de> for OneMember {
    type Value = Change<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one member")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Change<'de>, A::Error> {
        let Text(kind) = map.next_key()?.ok_or_else(|| A::Error::custom("a change without a kind"))?;
        let change = match &*kind {
            "stack" => {
                let Stack(Text(item_id), delta, balance, _) = map.next_value()?;
                Change::Stack { item_id, delta, balance }
            }
            "once" => {
                let Once(Text(rule_id), Text(value)) = map.next_value()?;
                Change::Once { rule_id, value }
            }
            _ => {
                map.next_value::<IgnoredAny>()?;
                Change::Other
            }
        };
        if map.next_key::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("a change of two kinds"));
        }
        Ok(change)
    }
}

impl<'a> Changes<'a> {
    /// Reads them.
    pub(super) fn parse(body: &'a str) -> Result<Vec<Change<'a>>, serde_json::Error> {
        Ok(serde_json::from_str::<Self>(body)?.changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_and_all_else_is_passed_over() {
        let body = r#"{"job":{"changes":[1]},"changes":[{"stack":["gold",-2,3]},{"stack":["gem",1,1,"rule:daily"]},
            {"once":["daily","\"x\""]},{"used":["key",1]},{"to-come":{"a":[]}}],"result":{}}"#;
        let stack = |item_id: &'static str, delta, balance| Change::Stack { item_id: item_id.into(), delta, balance };
        let once = Change::Once { rule_id: "daily".into(), value: "\"x\"".into() };
        let expected = [stack("gold", -2, 3), stack("gem", 1, 1), once, Change::Other, Change::Other];
        assert_eq!(Changes::parse(body).unwrap(), expected);
        assert_eq!(Changes::parse(r#"{"result":1}"#).unwrap(), []);
    }

    #[test]
    fn what_is_no_list_of_changes_is_refused() {
        for body in [
            "",
            "[]x",
            r#"{"changes":[{}]}"#,
            r#"{"changes":[{"used":1,"once":["a","b"]}]}"#,
            r#"{"changes":[],"changes":[]}"#,
            r#"{"changes":[{"stack":["gold",1]}]}"#,
        ] {
            assert!(Changes::parse(body).is_err(), "{body}");
        }
    }
}
