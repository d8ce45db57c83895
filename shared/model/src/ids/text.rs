//! A type per id, parsed once at the edge: one that exists is valid.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use satchel_forms::{Form, pattern_schema};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use uuid::Uuid;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Too short or too long.
    #[error("must be {least} to {most} characters, not {actual}")]
    Length {
        /// Fewest characters allowed.
        least: usize,
        /// Most characters allowed.
        most: usize,
        /// Characters given.
        actual: usize,
    },
    /// A character that is not allowed.
    #[error("must be of {allowed} only")]
    Characters {
        /// What is allowed, as a phrase.
        allowed: &'static str,
    },
    /// `.` or `..`: in a path they mean other places, and usual clients take them out of one (RFC 3986 section 5.2.4), so
    /// that nobody could ask for what bears such an id.
    #[error("must not be . or ..: these mean other places in a path")]
    DotSegment,
}

/// Where ids of a kind may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// Also in a path, as a segment.
    InPaths,
    /// In documents and headers only.
    Elsewhere,
}

/// Checks a text's length in characters and that each is allowed.
fn check(
    text: &str,
    least: usize,
    most: usize,
    allowed: &'static str,
    is_allowed: impl Fn(char) -> bool,
    stands: Stands,
) -> Result<(), InvalidId> {
    if stands == Stands::InPaths && matches!(text, "." | "..") {
        return Err(InvalidId::DotSegment);
    }
    let actual = text.chars().count();
    if actual < least || actual > most {
        return Err(InvalidId::Length { least, most, actual });
    }
    if text.chars().all(is_allowed) { Ok(()) } else { Err(InvalidId::Characters { allowed }) }
}

/// The JSON Schema of a text that [`check`] takes.
fn schema(chars: RangeInclusive<usize>, pattern: &str, stands: Stands) -> Schema {
    let mut schema = pattern_schema(chars, pattern);
    if stands == Stands::InPaths {
        schema.insert("not".to_owned(), json!({"enum": [".", ".."]}));
    }
    schema
}

/// What is allowed is said twice, as a function and as the class of a regular expression: a test compares them.
macro_rules! text_id {
    (
        $(#[$doc:meta])* $name:ident, $least:literal..=$most:literal,
        $allowed:literal, $is_allowed:expr, $class:literal, $stands:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Form)]
        #[serde(transparent)]
        #[form(text = Self::parse)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses the text.
            ///
            /// # Errors
            /// [`InvalidId`] if its length or a character is out of bounds.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                check(text, $least, $most, $allowed, $is_allowed, $stands)?;
                Ok(Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schema($least..=$most, concat!("^", $class, "*$"), $stands)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

text_id!(
    /// A player: 1–64 of `[A-Za-z0-9_.:-]`.
    UserId, 1..=64, "A-Z a-z 0-9 _ . : -",
    |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-'), "[A-Za-z0-9_.:-]",
    Stands::InPaths
);

text_id!(
    /// A kind of item: 1–64 of `[a-z0-9_.-]`.
    ItemId, 1..=64, "a-z 0-9 _ . -",
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.' | '-'), "[a-z0-9_.-]",
    Stands::InPaths
);

text_id!(
    /// A reward rule: 1–64 of `[a-z0-9_.-]`.
    RuleId, 1..=64, "a-z 0-9 _ . -",
    |c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.' | '-'), "[a-z0-9_.-]",
    Stands::InPaths
);

text_id!(
    /// The sender's name for an event: 1–128 printable ASCII characters.
    EventId, 1..=128, "printable ASCII characters",
    |c| c.is_ascii_graphic() || c == ' ', "[ -~]",
    Stands::Elsewhere
);

text_id!(
    /// Why a job was submitted, in the submitter's words: at most 200 characters, none of them a control character.
    Reason, 0..=200, "characters that are no control characters",
    |c| !c.is_control(), "\\P{Cc}",
    Stands::Elsewhere
);

text_id!(
    /// The submitter's name for one submission: 1–255 printable ASCII characters.
    IdempotencyKey, 1..=255, "printable ASCII characters",
    |c| c.is_ascii_graphic() || c == ' ', "[ -~]",
    Stands::Elsewhere
);

text_id!(
    /// One HTTP request, echoed as `X-Request-Id`: 1–64 of `[A-Za-z0-9_.:-]`.
    RequestId, 1..=64, "A-Z a-z 0-9 _ . : -",
    |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-'), "[A-Za-z0-9_.:-]",
    Stands::Elsewhere
);

impl From<Uuid> for RequestId {
    fn from(uuid: Uuid) -> Self {
        Self((&*uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer())).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_contract_are_accepted_and_odd_ones_refused() {
        assert!(UserId::parse("A.b_c:9-").is_ok());
        assert!(UserId::parse(&"u".repeat(64)).is_ok());
        for odd in ["", "a b", "é", "a\0", ".", "..", &"u".repeat(65)] {
            assert!(UserId::parse(odd).is_err(), "{odd:?}");
        }
        assert!(ItemId::parse("gold.coin-1_x").is_ok());
        for odd in ["", "Gold", "a:b", "a/b", ".", "..", &"i".repeat(65)] {
            assert!(ItemId::parse(odd).is_err(), "{odd:?}");
        }
        assert!(IdempotencyKey::parse("order 42~").is_ok());
        assert!(IdempotencyKey::parse("").is_err());
        assert!(IdempotencyKey::parse("é").is_err());
        assert!(ItemId::parse("...").is_ok() && UserId::parse(".a").is_ok());
        assert!(Reason::parse("").is_ok() && Reason::parse("..").is_ok());
        assert!(Reason::parse(&"é".repeat(200)).is_ok());
        assert!(Reason::parse("a\u{0}b").is_err());
    }

    #[test]
    fn schemas_take_the_texts_that_are_parsed() {
        fn compare<T: JsonSchema>(parse: impl Fn(&str) -> bool) {
            let schema = T::json_schema(&mut SchemaGenerator::default()).to_value();
            let validator = jsonschema::validator_for(&schema).unwrap();
            let characters = (0..0x300).filter_map(char::from_u32).map(String::from);
            let lengths = [0, 1, 64, 65, 128, 129, 200, 201, 255, 256].map(|length| "a".repeat(length));
            let odd = [".", "..", "...", "a\n", "é€😀"].map(str::to_owned);
            for text in characters.chain(lengths).chain(odd) {
                assert_eq!(validator.is_valid(&json!(text)), parse(&text), "{} {text:?}", T::schema_name());
            }
        }
        compare::<UserId>(|text| UserId::parse(text).is_ok());
        compare::<ItemId>(|text| ItemId::parse(text).is_ok());
        compare::<RuleId>(|text| RuleId::parse(text).is_ok());
        compare::<EventId>(|text| EventId::parse(text).is_ok());
        compare::<Reason>(|text| Reason::parse(text).is_ok());
        compare::<IdempotencyKey>(|text| IdempotencyKey::parse(text).is_ok());
        compare::<RequestId>(|text| RequestId::parse(text).is_ok());
    }
}
