//! What documents say, field by field.

use satchel_forms::{Form, Node, Pointer};
use satchel_model::ids::Reason;

use crate::http::problem::ApiError;

/// What an operator says who may say why.
#[derive(Form)]
pub(crate) struct Stated {
    /// Why, in the operator's words.
    pub(crate) reason: Option<Reason>,
}

/// A document without fields.
#[derive(Form)]
struct Nothing {}

/// Reads what a document says.
///
/// # Errors
/// 422 with every fault.
pub(crate) fn read<T: Form>(document: Node) -> Result<T, ApiError> {
    read_in(document, &mut ())
}

/// As [`read`], in a context.
///
/// # Errors
/// 422 with every fault.
pub(crate) fn read_in<T: Form<C>, C>(document: Node, context: &mut C) -> Result<T, ApiError> {
    satchel_forms::read_in(document, Pointer::root(), context).map_err(ApiError::Invalid)
}

/// Reads a document without fields.
///
/// # Errors
/// 422 if it has any.
pub(crate) fn nothing(document: Node) -> Result<(), ApiError> {
    read(document).map(|Nothing {}| ())
}

#[cfg(test)]
mod tests {
    use satchel_forms::testing::disagreement;
    use serde_json::json;

    use super::*;

    fn faults<T>(result: Result<T, ApiError>) -> Vec<String> {
        let Err(ApiError::Invalid(faults)) = result else { return Vec::new() };
        faults.as_slice().iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect()
    }

    fn node(text: &str) -> Node {
        Node::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_schema_and_the_reader_agree() {
        let read = |node| satchel_forms::read::<Stated>(node, Pointer::root()).map(drop);
        assert_eq!(disagreement::<Stated>(&[json!({"reason": "r"})], read), None);
    }

    #[test]
    fn a_document_that_should_be_empty_is_an_empty_object() {
        assert!(nothing(node("{}")).is_ok());
        assert_eq!(faults(nothing(node(r#"{"a":1}"#))), ["/a is not a known field"]);
        assert_eq!(faults(nothing(node("[]"))), [" must be an object, not an array"]);
    }
}
