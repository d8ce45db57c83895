//! A document that is one value, or an array of values that are each read for themselves.

use std::fmt;

use serde::de::{Deserializer as _, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::unreadable;
use super::{Faults, Node, Pointer, SyntaxError};

/// See the module.
#[derive(Debug)]
pub enum Document<'t> {
    /// An array.
    Many(Entries<'t>),
    /// Anything else.
    One(Node),
}

/// The entries of an array, which is JSON as a whole.
#[derive(Debug)]
pub struct Entries<'t> {
    count: usize,
    texts: Vec<&'t RawValue>,
}

impl<'t> Document<'t> {
    /// Parses UTF-8 JSON text. Of an array `most` entries are kept at most; the others are counted.
    ///
    /// # Errors
    /// [`SyntaxError`] for what is no JSON as a whole. An entry that cannot be read is none: [`Entry::read`] tells.
    pub fn parse(text: &'t [u8], most: usize) -> Result<Self, SyntaxError> {
        if text.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
            return Node::parse(text).map(Self::One);
        }
        let text = std::str::from_utf8(text).map_err(|error| SyntaxError::from(serde_json::Error::custom(error)))?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let entries = deserializer.deserialize_seq(EntriesReader { most }).map_err(SyntaxError::from)?;
        deserializer.end().map_err(SyntaxError::from)?;
        Ok(Self::Many(entries))
    }
}

impl<'t> Entries<'t> {
    /// How many there are, those that were not kept included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Those that were kept, in their order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Entry<'t>> {
        self.texts.iter().enumerate().map(|(place, text)| Entry { text: text.get(), at: Pointer::root().index(place) })
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

struct EntriesReader {
    most: usize,
}

impl<'de> Visitor<'de> for EntriesReader {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entries<'de>, A::Error> {
        let mut entries = Entries { count: 0, texts: Vec::new() };
        while entries.texts.len() < self.most {
            let Some(text) = seq.next_element()? else { break };
            entries.texts.push(text);
        }
        entries.count = entries.texts.len();
        while let Some(IgnoredAny) = seq.next_element()? {
            entries.count += 1;
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Result<Node, String>> {
        let Document::Many(entries) = Document::parse(text.as_bytes(), 100).unwrap() else { panic!("{text}") };
        assert_eq!(entries.count(), entries.iter().len());
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
            assert!(Document::parse(text.as_bytes(), 0).is_err(), "{text}, though nobody wants the entries");
        }
        assert!(Document::parse(b"[\"\xff\"]", 10).is_err());
        assert!(matches!(Document::parse(br#" {"a":[1]} "#, 10).unwrap(), Document::One(Node::Object(_))));
        assert!(Document::parse(br#""\ud83d""#, 10).is_err(), "alone it is refused as before");
    }

    #[test]
    fn entries_beyond_the_bound_are_counted_and_not_kept() {
        let text = format!("[{}[]]", "[],".repeat(9_999));
        let Document::Many(entries) = Document::parse(text.as_bytes(), 1_000).unwrap() else { panic!() };
        assert_eq!((entries.count(), entries.iter().len()), (10_000, 1_000));
        let Document::Many(none) = Document::parse(b"[ ]", 1_000).unwrap() else { panic!() };
        assert_eq!(none.count(), 0);
    }
}
