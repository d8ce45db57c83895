//! A document that is one value, or an array of values that are each read for themselves.

use std::fmt;

use serde::de::{Deserializer as _, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::unreadable;
use super::{Faults, Node, Pointer, SyntaxError};

/// See the module.
#[derive(Debug)]
pub enum Document<'t> {
    /// An array.
    Many(Entries<'t>),
    /// An array with more entries than are wanted, of which nothing was kept. What follows was not looked at.
    TooMany,
    /// Anything else.
    One(Node),
}

/// The entries of an array, which is JSON as a whole.
#[derive(Debug)]
pub struct Entries<'t>(Vec<&'t RawValue>);

impl<'t> Document<'t> {
    /// Parses UTF-8 JSON text. An array is read up to the first entry beyond `most`.
    ///
    /// # Errors
    /// [`SyntaxError`] for what is no JSON as a whole. An entry that cannot be read is none: [`Entry::read`] tells.
    pub fn parse(text: &'t [u8], most: usize) -> Result<Self, SyntaxError> {
        if text.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
            return Node::parse(text).map(Self::One);
        }
        let text = std::str::from_utf8(text).map_err(|error| SyntaxError::from(serde_json::Error::custom(error)))?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let mut is_over = false;
        match deserializer.deserialize_seq(EntriesReader { most, is_over: &mut is_over }) {
            Err(_) if is_over => Ok(Self::TooMany),
            read => {
                let entries = read.map_err(SyntaxError::from)?;
                deserializer.end().map_err(SyntaxError::from)?;
                Ok(Self::Many(entries))
            }
        }
    }
}

impl<'t> Entries<'t> {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// In their order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Entry<'t>> {
        self.0.iter().enumerate().map(|(place, text)| Entry { text: text.get(), at: Pointer::root().index(place) })
    }
}

/// One entry of an array.
#[derive(Debug)]
pub struct Entry<'t> {
    /// As it is written.
    pub text: &'t str,
    /// Where it stands.
    pub at: Pointer,
}

impl Entry<'_> {
    /// Reads it.
    ///
    /// # Errors
    /// What no value can be made of, and where: half a surrogate pair, or a nesting too deep.
    pub fn read(&self) -> Result<Node, Faults> {
        Node::parse(self.text.as_bytes()).map_err(|_| unreadable::faults(self.text.as_bytes(), &self.at))
    }
}

struct EntriesReader<'r> {
    most: usize,
    /// Set where there are more; reading then ends with an error.
    is_over: &'r mut bool,
}

impl<'de> Visitor<'de> for EntriesReader<'_> {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entries<'de>, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = seq.next_element()? {
            if texts.len() == self.most {
                *self.is_over = true;
                return Err(A::Error::custom("too many entries"));
            }
            texts.push(text);
        }
        Ok(Entries(texts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<Node, String>> {
        let Document::Many(entries) = Document::parse(text.as_bytes(), 100).unwrap() else { panic!("{text}") };
        entries.iter().map(|entry| entry.read().map_err(|faults| faults.to_string())).collect()
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_told_of_where_it_is_and_the_others_are_read() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let half = "/0/a~1b/1: has half of a surrogate pair (RFC 8259 section 8.2), which is no character";
        let name = "/0/a: has half of a surrogate pair (RFC 8259 section 8.2), which is no character";
        for (bad, fault) in [
            (r#"{"a/b":["\ud83d\ude00","x\ud83dy"]}"#.to_owned(), half),
            (r#"{"a/b":[0,"\ude00"]}"#.to_owned(), half),
            (r#"{"b":1e999,"a":{"\ud83d":1}}"#.to_owned(), name),
            (deep(128), "/0: must not be nested deeper than 127 levels"),
            (deep(100_000), "/0: must not be nested deeper than 127 levels"),
        ] {
            let read = read(&format!(" [{bad} , {{\"a\":1e999}},1]"));
            assert_eq!(read[0].as_ref().unwrap_err(), fault, "{bad:.40}");
            assert!(read[1].is_ok() && read[2].is_ok(), "{bad:.40}");
        }
        assert!(read(&format!("[{}]", deep(127)))[0].is_ok(), "as deep as alone");
    }

    #[test]
    fn what_is_no_json_as_a_whole_is_refused() {
        for text in [
            "[",
            "[1,]",
            "[1 2]",
            "[1]]",
            "[01]",
            "[\"\u{1}\"]",
            "[\"\\x\"]",
            "[\"\\u12g4\"]",
            "[{\"a\":}]",
            "[tru]",
            "[1e]",
            "[\"",
            "[1]x",
        ] {
            assert!(Document::parse(text.as_bytes(), 10).is_err(), "{text}");
        }
        assert!(Document::parse(b"[\"\xff\"]", 10).is_err());
        assert!(matches!(Document::parse(br#" {"a":[1]} "#, 10).unwrap(), Document::One(Node::Object(_))));
        assert!(Document::parse(br#""\ud83d""#, 10).is_err(), "alone it is refused as before");
    }

    #[test]
    fn reading_ends_at_the_first_entry_too_many() {
        let text = |entries: usize| format!("[{}[]]", "[],".repeat(entries - 1));
        let just = text(1_000);
        let Document::Many(entries) = Document::parse(just.as_bytes(), 1_000).unwrap() else { panic!() };
        assert_eq!((entries.count(), entries.iter().len()), (1_000, 1_000));
        let over = format!("{}, and what follows is no JSON", text(1_001).strip_suffix(']').unwrap());
        assert!(matches!(Document::parse(over.as_bytes(), 1_000).unwrap(), Document::TooMany));
        let Document::Many(none) = Document::parse(b"[ ]", 1_000).unwrap() else { panic!() };
        assert_eq!(none.count(), 0);
    }
}
