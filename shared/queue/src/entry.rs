//! An entry, as it stands in the queue: nothing in it is trusted.

use std::fmt;

use serde::Deserialize;

use satchel_model::ids::Shard;
use satchel_model::operations::Priority;
use satchel_wire::envelope::SealedEnvelope;

/// One entry of a shard.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The shard in which it stands.
    pub shard: Shard,
    /// Where in it.
    pub place: Place,
    /// Its id there: `<milliseconds>-<sequence>` in a stream; of a delayed job, when it came, and its job's id.
    pub id: String,
    /// Its fields and values, in order.
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Where in its shard an entry waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the stream of a class.
    Stream(Priority),
    /// Among the delayed jobs.
    Delayed,
}

/// Which entry: enough to delete it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryRef {
    /// Its shard.
    pub shard: Shard,
    /// Where in it.
    pub place: Place,
    /// Its id.
    pub id: String,
}

impl Entry {
    pub(super) fn new(shard: Shard, place: Place, id: String, fields: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        Self { shard, place, id, fields }
    }

    /// Which one it is.
    #[must_use]
    pub fn reference(&self) -> EntryRef {
        EntryRef { shard: self.shard, place: self.place, id: self.id.clone() }
    }

    /// The signed envelope in it, if it has one's fields.
    #[must_use]
    pub fn sealed(&self) -> Option<SealedEnvelope> {
        let version = std::str::from_utf8(self.field(b"v")?).ok()?.parse().ok()?;
        Some(SealedEnvelope { version, body: self.field(b"body")?.to_vec(), mac: self.field(b"mac")?.to_vec() })
    }

    /// It as text, for the record: a line per field, bytes outside of printable ASCII escaped; of each value at most
    /// [`MAX_DESCRIBED_BYTES`].
    #[must_use]
    pub fn describe(&self) -> String {
        let lines = self.fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Whose job it says it is. For the order alone: nothing is verified here.
    pub(super) fn peek_user(&self) -> Option<String> {
        serde_json::from_slice(self.field(b"body")?).ok().map(|peeked: Peeked| peeked.job.user_id)
    }

    /// Of a high entry: the last normal entry that came before it. The very first id if it does not say.
    pub(super) fn after(&self) -> EntryId {
        let text = self.field(b"after").and_then(|value| std::str::from_utf8(value).ok());
        text.and_then(EntryId::parse).unwrap_or_default()
    }

    /// Of a delayed job: since when it is due, in milliseconds, by the queue's clock.
    pub(super) fn due_ms(&self) -> u64 {
        let text = self.field(b"due").and_then(|value| std::str::from_utf8(value).ok());
        text.and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// Of a delayed job: its class.
    pub(super) fn class(&self) -> Priority {
        if self.field(b"class") == Some(b"high") { Priority::High } else { Priority::Normal }
    }

    fn field(&self, name: &[u8]) -> Option<&[u8]> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_slice())
    }
}

/// How much of a field is described: well above any field that the API writes.
const MAX_DESCRIBED_BYTES: usize = 64 * 1024;

fn escaped(bytes: &[u8]) -> std::slice::EscapeAscii<'_> {
    bytes.get(..MAX_DESCRIBED_BYTES).unwrap_or(bytes).escape_ascii()
}

/// An entry's id within its shard and class: they grow. As text `<milliseconds>-<sequence>` (Redis manual, "Entry IDs").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct EntryId(pub(super) u64, pub(super) u64);

impl EntryId {
    pub(super) const LAST: Self = Self(u64::MAX, u64::MAX);

    /// The first one that may follow.
    pub(super) fn next(self) -> Self {
        self.1.checked_add(1).map_or(Self(self.0.saturating_add(1), 0), |next| Self(self.0, next))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (milliseconds, sequence) = text.split_once('-')?;
        Some(Self(milliseconds.parse().ok()?, sequence.parse().ok()?))
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// Of an envelope's body, what tells whose job it is.
#[derive(Deserialize)]
struct Peeked {
    job: PeekedJob,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PeekedJob {
    user_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fields: &[(&str, &str)]) -> Entry {
        let fields = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Entry::new(Shard::new(0), Place::Stream(Priority::High), "7-1".into(), fields)
    }

    #[test]
    fn what_is_peeked_at_is_there_or_nothing() {
        let body = r#"{"jobId":"x","job":{"userId":"u1","type":"t","items":[]},"actor":{}}"#;
        assert_eq!(entry(&[("v", "1"), ("body", body), ("after", "5-3")]).peek_user().unwrap(), "u1");
        assert_eq!(entry(&[("after", "5-3")]).after(), EntryId(5, 3));
        for odd in ["", "{}", r#"{"job":{"userId":7}}"#, "\u{0}"] {
            assert_eq!(entry(&[("body", odd), ("after", odd)]).peek_user(), None);
            assert_eq!(entry(&[("body", odd), ("after", odd)]).after(), EntryId::default());
        }
    }

    #[test]
    fn ids_are_ordered_as_numbers() {
        let ids = ["9-2", "9-10", "10-0"].map(|text| EntryId::parse(text).unwrap());
        assert!(ids.is_sorted() && ids[2].to_string() == "10-0");
        for odd in ["", "1", "1-", "-1", "1-x", "18446744073709551616-0"] {
            assert_eq!(EntryId::parse(odd), None, "{odd}");
        }
    }
}
