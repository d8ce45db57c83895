//! What documents say, field by field.

use chrono::{DateTime, Utc};
use satchel_forms::{Faults, Fields, Node, Pointer};

use crate::http::problem::ApiError;

/// Takes the fields of a document.
///
/// # Errors
/// 422 with every fault, fields that nobody took included.
pub(crate) fn fields<T>(document: Node, take: impl FnOnce(&mut Fields<'_>) -> T) -> Result<T, ApiError> {
    let mut faults = Faults::default();
    let taken = Fields::open(document, Pointer::root(), &mut faults).map(|mut fields| {
        let taken = take(&mut fields);
        fields.finish();
        taken
    });
    taken.filter(|_| faults.is_empty()).ok_or(ApiError::Invalid(faults))
}

/// Takes a document without fields.
///
/// # Errors
/// 422 if it has any.
pub(crate) fn nothing(document: Node) -> Result<(), ApiError> {
    fields(document, |_| ())
}

/// Reads a time of RFC 3339.
pub(crate) fn read_time(text: &str) -> Result<DateTime<Utc>, &'static str> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| "must be a time as in RFC 3339, e.g. 2026-01-31T12:00:00Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults<T>(result: Result<T, ApiError>) -> Vec<String> {
        let Err(ApiError::Invalid(faults)) = result else { return Vec::new() };
        faults.as_slice().iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect()
    }

    fn node(text: &str) -> Node {
        Node::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_document_that_should_be_empty_is_an_empty_object() {
        assert!(nothing(node("{}")).is_ok());
        assert_eq!(faults(nothing(node(r#"{"a":1}"#))), ["/a is not a known field"]);
        assert_eq!(faults(nothing(node("[]"))), [" must be an object, not an array"]);
    }
}
