//! Where a listing goes on: the last key of the page before, opaque to the client.
//!
//! A cursor is the hex form of a one-letter tag of the listing and the key, so that the cursor of one
//! listing is refused by another one.

use std::fmt::Display;

use chrono::{DateTime, Datelike, Utc};
use uuid::Uuid;

/// What a listing's entries are ordered by.
pub(crate) trait Key: Sized {
    /// The key as text.
    fn text(&self) -> String;

    /// Reads it.
    fn parse(text: &str) -> Option<Self>;
}

/// The text for `nextCursor`.
pub(crate) fn encode<const TAG: char, K: Key>(key: &K) -> String {
    hex::encode(format!("{TAG}{}", key.text()))
}

/// Reads a client's `cursor`; `None` if it is none of this listing's.
pub(crate) fn decode<const TAG: char, K: Key>(text: &str) -> Option<K> {
    let text = String::from_utf8(hex::decode(text).ok()?).ok()?;
    K::parse(text.strip_prefix(TAG)?)
}

impl Key for i64 {
    fn text(&self) -> String {
        self.to_string()
    }

    /// Digits alone.
    fn parse(text: &str) -> Option<Self> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| text.parse().ok()).flatten()
    }
}

/// To the microsecond, as Postgres keeps it, and in a year that RFC 3339 can write. Others, that one could not reckon with
/// either, were never handed out.
impl Key for DateTime<Utc> {
    fn text(&self) -> String {
        self.timestamp_micros().text()
    }

    fn parse(text: &str) -> Option<Self> {
        let moment = DateTime::from_timestamp_micros(i64::parse(text)?);
        moment.filter(|moment| (0..=9999).contains(&moment.year()))
    }
}

/// A moment, and of those of one moment an id.
impl<I: From<Uuid> + Display> Key for (DateTime<Utc>, I) {
    fn text(&self) -> String {
        format!("{}.{}", self.0.text(), self.1)
    }

    fn parse(text: &str) -> Option<Self> {
        let (moment, id) = text.split_once('.')?;
        Some((Key::parse(moment)?, Uuid::try_parse(id).ok()?.into()))
    }
}

#[cfg(test)]
mod tests {
    use satchel_model::ids::{JobId, RunId};

    use super::*;

    type JobKey = (DateTime<Utc>, JobId);
    type RunKey = (DateTime<Utc>, RunId);

    #[test]
    fn a_cursor_reads_back_what_it_was_made_of() {
        assert_eq!(decode::<'s', i64>(&encode::<'s', _>(&42)), Some(42));
        let moment = DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap();
        let parked: JobKey = (moment, JobId::from(Uuid::now_v7()));
        assert_eq!(decode::<'f', JobKey>(&encode::<'f', _>(&parked)), Some(parked));
    }

    #[test]
    fn another_listings_cursor_and_garbage_are_refused() {
        assert_eq!(decode::<'s', i64>(&encode::<'a', i64>(&42)), None);
        for garbage in ["", "zz", "1", "73", &hex::encode("s-1"), &hex::encode("s9223372036854775808"), "69\u{e9}"] {
            assert_eq!(decode::<'s', i64>(garbage), None, "{garbage}");
        }
        // In the year 10000.
        let last_microsecond = 253_402_300_800_000_000_i64;
        let id = JobId::from(Uuid::now_v7());
        for garbage in [
            "",
            "1",
            "1.",
            &format!("-1.{id}"),
            &format!("9223372036854775807.{id}"),
            &format!("{last_microsecond}.{id}"),
        ] {
            assert_eq!(decode::<'f', JobKey>(&hex::encode(format!("f{garbage}"))), None, "{garbage}");
            assert_eq!(decode::<'r', RunKey>(&hex::encode(format!("r{garbage}"))), None, "{garbage}");
        }
    }
}
