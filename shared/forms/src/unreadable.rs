//! Where a text that is JSON by its grammar holds what no value can be made of.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::huge::Tamed;
use super::{Faults, Pointer};

/// The deepest nesting that is read, in levels of arrays and objects: that of `serde_json`.
const MAX_LEVELS: usize = 127;

/// What is wrong with a text that could not be read, and where.
pub(super) fn faults(text: &[u8], at: &Pointer) -> Faults {
    if levels(text) > MAX_LEVELS {
        return Faults::one(at.clone(), format!("must not be nested deeper than {MAX_LEVELS} levels"));
    }
    let tamed = Tamed::of(text);
    let text = tamed.as_ref().map_or(text, |tamed| &tamed.text);
    let path = RefCell::default();
    // That it fails is known.
    let _ = Walk(&path).deserialize(&mut serde_json::Deserializer::from_slice(text));
    let at = path.into_inner().iter().fold(at.clone(), |at, step| match step {
        Step::Member(name) => at.field(name),
        Step::Element(place) => at.index(*place),
    });
    Faults::one(at, "has half of a surrogate pair (RFC 8259 section 8.2), which is no character")
}

/// How deep a text is nested.
fn levels(text: &[u8]) -> usize {
    let (mut deepest, mut level) = (0_usize, 0_usize);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => level += 1,
            b']' | b'}' if !is_text => level = level.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(level);
    }
    deepest
}

enum Step {
    Member(String),
    Element(usize),
}

/// Goes through a document and leaves the way to where it was when something failed.
#[derive(Clone, Copy)]
struct Walk<'p>(&'p RefCell<Vec<Step>>);

impl Walk<'_> {
    fn enter(self, step: Step) {
        self.0.borrow_mut().push(step);
    }

    fn leave(self) {
        self.0.borrow_mut().pop();
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for place in 0.. {
            self.enter(Step::Element(place));
            let next = seq.next_element_seed(self)?;
            self.leave();
            if next.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key()? {
            self.enter(Step::Member(name));
            map.next_value_seed(self)?;
            self.leave();
        }
        Ok(())
    }
}
