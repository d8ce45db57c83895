//! Where a listing goes on: the last key of the page before, opaque to the client.
//!
//! A cursor is the hex form of a one-letter tag of the listing and the key, so that the cursor of one
//! listing is refused by another one.

use chrono::{DateTime, Datelike, Utc};
use satchel_model::domain::{ItemId, JobId, RunId, Shard};
use satchel_model::records::Place;
use satchel_store::events::After;

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
        number(key).map(Self)
    }
}

/// The failed jobs go on after the one that was parked then, and of those the one with this id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AfterParked {
    pub(crate) parked_at: DateTime<Utc>,
    pub(crate) job_id: JobId,
}

impl Cursor for AfterParked {
    const TAG: &'static str = "f";

    fn key(&self) -> String {
        // Postgres keeps microseconds.
        format!("{}.{}", self.parked_at.timestamp_micros(), self.job_id)
    }

    fn of_key(key: &str) -> Option<Self> {
        let (micros, job_id) = key.split_once('.')?;
        let parked_at = moment(number(micros)?)?;
        Some(Self { parked_at, job_id: JobId::parse(job_id).ok()? })
    }
}

/// Operators' actions go on with those before the one with this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BeforeAction(pub(crate) i64);

impl Cursor for BeforeAction {
    const TAG: &'static str = "a";

    fn key(&self) -> String {
        self.0.to_string()
    }

    fn of_key(key: &str) -> Option<Self> {
        number(key).map(Self)
    }
}

/// Events go on with those before this one.
impl Cursor for After {
    const TAG: &'static str = "e";

    fn key(&self) -> String {
        let Place { shard, seq } = self.place;
        format!("{}.{}.{seq}", self.at.timestamp_micros(), shard.get())
    }

    fn of_key(key: &str) -> Option<Self> {
        let mut parts = key.split('.').map(number);
        let (micros, shard, seq) = (parts.next()??, parts.next()??, parts.next()??);
        let place = Place { shard: Shard::new(u16::try_from(shard).ok()?), seq };
        let at = moment(micros)?;
        parts.next().is_none().then_some(Self { at, place })
    }
}

/// Runs go on with those that were made before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BeforeRun {
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) run_id: RunId,
}

impl Cursor for BeforeRun {
    const TAG: &'static str = "r";

    fn key(&self) -> String {
        format!("{}.{}", self.created_at.timestamp_micros(), self.run_id)
    }

    fn of_key(key: &str) -> Option<Self> {
        let (micros, run_id) = key.split_once('.')?;
        let created_at = moment(number(micros)?)?;
        Some(Self { created_at, run_id: RunId::parse(run_id).ok()? })
    }
}

/// A moment at which something may have happened: in a year that RFC 3339 can write. Others, that one could not
/// reckon with either, were never handed out.
fn moment(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).filter(|moment| (0..=9999).contains(&moment.year()))
}

/// A number of digits alone.
fn number(key: &str) -> Option<i64> {
    let plain = key.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| key.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_what_it_was_made_of() {
        let item = ItemId::parse("gold").unwrap();
        assert_eq!(ItemId::decode(&item.encode()), Some(item));
        assert_eq!(AfterSeq::decode(&AfterSeq(42).encode()), Some(AfterSeq(42)));
        assert_eq!(BeforeAction::decode(&BeforeAction(42).encode()), Some(BeforeAction(42)));
        let parked_at = DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap();
        let event = After { at: parked_at, place: Place { shard: Shard::new(63), seq: 7 } };
        assert_eq!(After::decode(&event.encode()), Some(event));
        let delivery = BeforeRun { created_at: parked_at, run_id: JobId::random().as_uuid().into() };
        assert_eq!(BeforeRun::decode(&delivery.encode()), Some(delivery));
        assert_eq!(BeforeRun::decode(&event.encode()), None);
        let parked = AfterParked { parked_at, job_id: JobId::random() };
        assert_eq!(AfterParked::decode(&parked.encode()), Some(parked));
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
        assert_eq!(BeforeAction::decode(&AfterSeq(42).encode()), None);
        let last_microsecond = DateTime::<Utc>::MAX_UTC.timestamp_micros();
        let late = format!("e{last_microsecond}.0.1");
        for garbage in ["e", "e1", "e1.1", "e1.1.1.1", "e1.70000.1", "e1.-1.1", late.as_str()] {
            assert_eq!(After::decode(&hex::encode(garbage)), None, "{garbage}");
        }
        let id = JobId::random();
        for garbage in [
            "",
            "1",
            "1.",
            &format!("-1.{id}"),
            &format!("9223372036854775807.{id}"),
            &format!("{last_microsecond}.{id}"),
        ] {
            assert_eq!(AfterParked::decode(&hex::encode(format!("f{garbage}"))), None, "{garbage}");
            assert_eq!(BeforeRun::decode(&hex::encode(format!("r{garbage}"))), None, "{garbage}");
        }
    }
}
