//! JSON texts.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// Serialises a plain struct of texts and integers, which cannot fail; `null` stands for the impossible.
#[must_use]
pub fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
