//! What an event is called.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use satchel_forms::{Form, pattern_schema};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

/// `domain/action`, lower case, in the past tense: `planet/completed`. Each part has 1–64 of `[a-z0-9_.-]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Form)]
#[serde(transparent)]
#[form(text = Self::parse)]
pub struct EventName(Arc<str>);

/// A text that is no event's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be of the form domain/action, each 1 to {} of a-z 0-9 _ . -", EventName::MAX_PART_CHARS)]
pub struct InvalidEventName;

impl EventName {
    /// The longest domain, and the longest action, in characters.
    pub const MAX_PART_CHARS: usize = 64;

    /// Parses the text.
    ///
    /// # Errors
    /// [`InvalidEventName`].
    pub fn parse(text: &str) -> Result<Self, InvalidEventName> {
        let (domain, action) = text.split_once('/').ok_or(InvalidEventName)?;
        if is_part(domain) && is_part(action) { Ok(Self(text.into())) } else { Err(InvalidEventName) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_part(text: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'.' | b'-');
    (1..=EventName::MAX_PART_CHARS).contains(&text.len()) && text.bytes().all(allowed)
}

impl JsonSchema for EventName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "EventName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let most = Self::MAX_PART_CHARS;
        let part = format!("[a-z0-9_.-]{{1,{most}}}");
        pattern_schema(3..=2 * most + 1, &format!("^{part}/{part}$"))
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EventName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_two_parts_in_lower_case() {
        for fine in ["planet/completed", "a/b", "quest.daily/step_2-done"] {
            assert!(EventName::parse(fine).is_ok(), "{fine}");
        }
        let long = format!("{}/b", "a".repeat(65));
        for odd in ["", "planet", "/", "a/", "/b", "a/b/c", "Planet/completed", "a b/c", "é/b", &long] {
            assert!(EventName::parse(odd).is_err(), "{odd:?}");
        }
    }
}
