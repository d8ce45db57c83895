//! A JSON value as it was written: duplicate keys kept, order kept.

use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::huge::Tamed;
use super::{Faults, Pointer};

/// A JSON value that still knows its duplicate keys.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// Any number; integers beyond 64 bits are kept as floats.
    Number(Number),
    /// A number beyond the range of a double, which nothing can be made of.
    HugeNumber,
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Node>),
    /// An object's members in the order written, duplicates included.
    Object(Vec<(String, Node)>),
}

/// The text is not JSON (RFC 8259), or is nested deeper than 127 levels.
#[derive(Debug, thiserror::Error)]
#[error("malformed JSON: {0}")]
pub struct SyntaxError(#[from] serde_json::Error);

impl Node {
    /// Parses UTF-8 JSON text. Depth is limited to 127 levels by `serde_json`.
    ///
    /// # Errors
    /// [`SyntaxError`] with line and column.
    pub fn parse(text: &[u8]) -> Result<Self, SyntaxError> {
        let error = match Numbers::default().read(text) {
            Ok(node) => return Ok(node),
            Err(error) => error,
        };
        // Perhaps it is JSON all the same.
        let Some(Tamed { text, huge }) = Tamed::of(text) else { return Err(error.into()) };
        Ok(Numbers { read: Cell::default(), huge }.read(&text)?)
    }

    /// The value, which has no duplicate keys and no huge numbers; `None`, with a fault for each, if it has some.
    pub fn into_value(self, at: &Pointer, faults: &mut Faults) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(number) => Value::Number(number),
            Self::HugeNumber => {
                faults.add(at.clone(), "is beyond the range of numbers: that of a double (IEEE 754)");
                return None;
            }
            Self::String(text) => Value::String(text),
            Self::Array(nodes) => {
                let values =
                    nodes.into_iter().enumerate().map(|(index, node)| node.into_value(&at.index(index), faults));
                Value::Array(values.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?)
            }
            Self::Object(members) => Value::Object(Self::into_map(members, at, faults)?),
        })
    }

    fn into_map(members: Vec<(String, Self)>, at: &Pointer, faults: &mut Faults) -> Option<Map<String, Value>> {
        let mut map = Map::new();
        let mut is_whole = true;
        for (name, node) in members {
            let at = at.field(&name);
            if map.contains_key(&name) {
                faults.add(at, "is given twice");
                is_whole = false;
                continue;
            }
            match node.into_value(&at, faults) {
                Some(value) => drop(map.insert(name, value)),
                None => is_whole = false,
            }
        }
        is_whole.then_some(map)
    }

    /// An object of any members, without duplicate keys.
    pub fn read_object(node: Self, at: Pointer, faults: &mut Faults) -> Option<Map<String, Value>> {
        match node {
            Self::Object(members) => Self::into_map(members, &at, faults),
            other => {
                faults.add(at, format!("must be an object, not {}", other.kind()));
                None
            }
        }
    }

    /// Notes each string and each member's name with a NUL, which many a reader takes for the end of the text.
    pub fn note_nul(&self, at: &Pointer, faults: &mut Faults) {
        const DETAIL: &str = "must not contain the character U+0000";
        match self {
            Self::String(text) if text.contains('\0') => faults.add(at.clone(), DETAIL),
            Self::Array(nodes) => {
                nodes.iter().enumerate().for_each(|(index, node)| node.note_nul(&at.index(index), faults));
            }
            Self::Object(members) => {
                for (name, node) in members {
                    let at = at.field(name);
                    if name.contains('\0') {
                        faults.add(at.clone(), DETAIL);
                    }
                    node.note_nul(&at, faults);
                }
            }
            _ => {}
        }
    }

    /// Whether arrays and objects are nested in more than so many levels; a value that is none of them has no level.
    #[must_use]
    pub fn is_deeper_than(&self, levels: usize) -> bool {
        let Some(below) = levels.checked_sub(1) else { return matches!(self, Self::Array(_) | Self::Object(_)) };
        match self {
            Self::Array(nodes) => nodes.iter().any(|node| node.is_deeper_than(below)),
            Self::Object(members) => members.iter().any(|(_, node)| node.is_deeper_than(below)),
            _ => false,
        }
    }

    /// What this value is, for messages: `a string`, `an object`…
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::HugeNumber => "a number beyond all bounds",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// The numbers of one text.
#[derive(Default)]
struct Numbers {
    /// How many were read so far.
    read: Cell<usize>,
    /// Which of them stand for huge ones, counted from 0, in order.
    huge: Vec<usize>,
}

impl Numbers {
    fn read(&self, text: &[u8]) -> serde_json::Result<Node> {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let node = NodeReader(self).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(node)
    }

    /// The next one.
    fn next(&self, number: Number) -> Node {
        let place = self.read.replace(self.read.get() + 1);
        if self.huge.binary_search(&place).is_ok() { Node::HugeNumber } else { Node::Number(number) }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        NodeReader(&Numbers::default()).deserialize(deserializer)
    }
}

#[derive(Clone, Copy)]
struct NodeReader<'n>(&'n Numbers);

impl<'de> DeserializeSeed<'de> for NodeReader<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodeReader<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(self.0.next(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(self.0.next(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        // serde_json refuses numbers that are not finite before they come here.
        Ok(Number::from_f64(value).map_or(Node::HugeNumber, |number| self.0.next(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = seq.next_element_seed(self)? {
            nodes.push(node);
        }
        Ok(Node::Array(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key()? {
            members.push((name, map.next_value_seed(self)?));
        }
        Ok(Node::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_keys_are_kept() {
        let node = Node::parse(br#"{"a":1,"a":"x"}"#).unwrap();
        assert_eq!(
            node,
            Node::Object(vec![("a".into(), Node::Number(1.into())), ("a".into(), Node::String("x".into())),])
        );
    }

    #[test]
    fn nesting_beyond_128_levels_is_a_syntax_error() {
        let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
        assert!(Node::parse(deep.as_bytes()).is_err());
        let allowed = format!("{}{}", "[".repeat(127), "]".repeat(127));
        assert!(Node::parse(allowed.as_bytes()).is_ok());
    }

    #[test]
    fn text_after_the_value_and_lone_surrogates_are_syntax_errors() {
        assert!(Node::parse(b"{} x").is_err());
        assert!(Node::parse(br#""\ud800""#).is_err());
        assert!(Node::parse(b"\"\xff\"").is_err());
        assert!(Node::parse(b"").is_err());
    }

    #[test]
    fn a_number_beyond_a_double_is_kept_as_what_it_is_where_it_is() {
        let node = |text: &str| Node::parse(text.as_bytes());
        let number = |number: i64| Node::Number(number.into());
        let digits = format!("[1,{},\"1e400\",2]", "9".repeat(400));
        let list = vec![number(1), Node::HugeNumber, Node::String("1e400".into()), number(2)];
        assert_eq!(node(&digits).unwrap(), Node::Array(list));
        assert_eq!(node("-1e400").unwrap(), Node::HugeNumber);
        for odd in ["[1e400", "[1e400,01]", "{\"a\":1e400,}", "1e400x", "[1e400.5]"] {
            assert!(node(odd).is_err(), "{odd}");
        }
        let mut faults = Faults::default();
        assert!(node(r#"{"a":[0,1e400]}"#).unwrap().into_value(&Pointer::root(), &mut faults).is_none());
        assert_eq!(faults.to_string(), "/a/1: is beyond the range of numbers: that of a double (IEEE 754)");
    }
}
