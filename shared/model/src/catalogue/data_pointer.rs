//! Where in an event's data a value is.

use std::borrow::Cow;

use satchel_forms::Form;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value};

/// A JSON Pointer (RFC 6901) into an event's data, to a member of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Form)]
#[serde(transparent)]
#[form(text = Self::parse)]
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
    pub(super) fn find<'d>(&self, data: &'d Map<String, Value>) -> Option<&'d Value> {
        let rest = self.0.strip_prefix('/')?;
        let (member, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        data.get(&member.replace("~1", "/").replace("~0", "~"))?.pointer(below)
    }
}

/// In characters, not bytes: JSON Schema counts no others.
impl JsonSchema for DataPointer {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DataPointer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": Self::MAX_BYTES, "pattern": "^/([^~]|~[01])*$"})
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
}
