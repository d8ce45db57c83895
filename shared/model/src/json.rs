//! JSON texts.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// As [`raw`], as a text, in one buffer of so many bytes if that is enough.
#[must_use]
pub fn text(value: &impl Serialize, expected_bytes: usize) -> String {
    let mut bytes = Vec::with_capacity(expected_bytes);
    match serde_json::to_writer(&mut bytes, value) {
        Ok(()) => String::from_utf8(bytes).unwrap_or_default(),
        Err(_) => "null".to_owned(),
    }
}

/// Serialises a plain struct of texts and integers, which cannot fail; `null` stands for the impossible.
#[must_use]
pub fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
