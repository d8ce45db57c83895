//! Readers of plain values, which derived forms are made of.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Map, Number, Value};

use super::{At, Faults, Form, Node};

/// A text that `parse` accepts.
pub fn read_text<T, E: Display>(
    node: Node,
    at: &At<'_>,
    faults: &mut Faults,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    let Node::String(text) = node else {
        faults.note(at, format!("must be a string, not {}", node.kind()));
        return None;
    };
    parse(&text).map_err(|error| faults.note(at, error.to_string())).ok()
}

/// One of these names.
pub fn read_name(
    node: Node,
    at: &At<'_>,
    faults: &mut Faults,
    names: &[&'static str],
    expects: &str,
) -> Option<&'static str> {
    read_text(node, at, faults, |text| names.iter().copied().find(|name| *name == text).ok_or(expects))
}

/// An integer that `parse` accepts. Fractions, `1.0`, `1e3` and strings are faults.
#[expect(clippy::needless_pass_by_value, reason = "all readers take the node")]
pub fn read_integer<T, E: Display>(
    node: Node,
    at: &At<'_>,
    faults: &mut Faults,
    parse: impl FnOnce(i64) -> Result<T, E>,
) -> Option<T> {
    let value = match &node {
        Node::Number(number) => {
            let Some(value) = within_bounds(number) else {
                faults.note(at, format!("must be an integer, not {number}"));
                return None;
            };
            value
        }
        Node::HugeNumber => i64::MAX,
        node => {
            faults.note(at, format!("must be an integer, not {}", node.kind()));
            return None;
        }
    };
    parse(value).map_err(|error| faults.note(at, error.to_string())).ok()
}

/// An integer within bounds.
pub fn read_integer_within(node: Node, at: &At<'_>, faults: &mut Faults, bounds: RangeInclusive<i64>) -> Option<i64> {
    read_integer(node, at, faults, |value| {
        let (least, most) = (bounds.start(), bounds.end());
        if bounds.contains(&value) { Ok(value) } else { Err(format!("must be an integer from {least} to {most}")) }
    })
}

/// An array of `bounds` elements. `read` is given those before it that are right.
pub fn read_array<T>(
    node: Node,
    at: &At<'_>,
    faults: &mut Faults,
    bounds: RangeInclusive<usize>,
    mut read: impl FnMut(Node, &At<'_>, &[T], &mut Faults) -> Option<T>,
) -> Option<Vec<T>> {
    let Node::Array(nodes) = node else {
        faults.note(at, format!("must be an array, not {}", node.kind()));
        return None;
    };
    if !bounds.contains(&nodes.len()) {
        let (least, most) = (bounds.start(), bounds.end());
        faults.note(at, format!("must have {least} to {most} entries, not {}", nodes.len()));
        return None;
    }
    let wanted = nodes.len();
    let mut elements = Vec::with_capacity(wanted);
    for (index, node) in nodes.into_iter().enumerate() {
        let element = read(node, &at.index(index), &elements, faults);
        elements.extend(element);
    }
    (elements.len() == wanted).then_some(elements)
}

/// The members of an object whose names are the document's to choose, at most `most` of what they are called.
pub fn read_members(
    node: Node,
    at: &At<'_>,
    faults: &mut Faults,
    most: usize,
    called: &str,
) -> Option<Vec<(String, Node)>> {
    let Node::Object(members) = node else {
        faults.note(at, format!("must be an object, not {}", node.kind()));
        return None;
    };
    if members.len() > most {
        faults.note(at, format!("must have at most {most} {called}, not {}", members.len()));
        return None;
    }
    Some(members)
}

impl<C: ?Sized> Form<C> for bool {
    fn read(node: Node, at: &At<'_>, _: &mut C, faults: &mut Faults) -> Option<Self> {
        if let Node::Bool(value) = node {
            return Some(value);
        }
        faults.note(at, format!("must be true or false, not {}", node.kind()));
        None
    }
}

/// Any object, without duplicate members.
impl<C: ?Sized> Form<C> for Map<String, Value> {
    fn read(node: Node, at: &At<'_>, _: &mut C, faults: &mut Faults) -> Option<Self> {
        Node::read_object(node, at.pointer(), faults)
    }
}

/// The integer that a number is; `None` if it is none. Integers beyond `i64` are beyond every bound too: they become the
/// nearest one, so that a parser says which bound that is.
fn within_bounds(number: &Number) -> Option<i64> {
    /// 2^63: from here on every double is an integer.
    const FIRST_BEYOND: f64 = 9_223_372_036_854_775_808.0;
    match (number.as_i64(), number.as_f64()) {
        (Some(value), _) => Some(value),
        (None, Some(value)) if value >= FIRST_BEYOND => Some(i64::MAX),
        (None, Some(value)) if value < -FIRST_BEYOND => Some(i64::MIN),
        _ => None,
    }
}
