//! Where a listing goes on: the last key of the page before, opaque to the client.
//!
//! A cursor is the hex form of a one-letter tag of the listing and the key, so that the cursor of one
//! listing is refused by another one.

use satchel_shared::domain::ItemId;

/// A position in a listing.
pub(crate) trait Cursor: Sized {
    /// Which listing it belongs to.
    const TAG: &'static str;

    /// The key as text.
    fn key(&self) -> String;

    /// Reads the key.
    fn of_key(key: &str) -> Option<Self>;

    /// The text for `nextCursor`.
    fn encode(&self) -> String {
        hex::encode(format!("{}{}", Self::TAG, self.key()))
    }

    /// Reads a client's `cursor`; `None` if it is none of this listing's.
    fn decode(text: &str) -> Option<Self> {
        let bytes = hex::decode(text).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        Self::of_key(text.strip_prefix(Self::TAG)?)
    }
}

/// An inventory goes on after this item.
impl Cursor for ItemId {
    const TAG: &'static str = "i";

    fn key(&self) -> String {
        self.as_str().to_owned()
    }

    fn of_key(key: &str) -> Option<Self> {
        Self::parse(key).ok()
    }
}

/// A history goes on after (in its order) the entry with this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AfterSeq(pub(crate) i64);

impl Cursor for AfterSeq {
    const TAG: &'static str = "s";

    fn key(&self) -> String {
        self.0.to_string()
    }

    fn of_key(key: &str) -> Option<Self> {
        let plain = key.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| key.parse().ok().map(Self)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_what_it_was_made_of() {
        let item = ItemId::parse("gold").unwrap();
        assert_eq!(ItemId::decode(&item.encode()), Some(item));
        assert_eq!(AfterSeq::decode(&AfterSeq(42).encode()), Some(AfterSeq(42)));
    }

    #[test]
    fn another_listings_cursor_and_garbage_are_refused() {
        let item = ItemId::parse("gold").unwrap();
        assert_eq!(AfterSeq::decode(&item.encode()), None);
        for garbage in ["", "zz", "1", "73", &hex::encode("s-1"), &hex::encode("s9223372036854775808")] {
            assert_eq!(AfterSeq::decode(garbage), None, "{garbage}");
        }
        assert_eq!(ItemId::decode(&hex::encode("iGOLD")), None);
        assert_eq!(ItemId::decode("69\u{e9}"), None);
    }
}
