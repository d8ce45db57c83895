//! A stream entry, as it stands in Redis: nothing in it is trusted.

use redis::Value;

use crate::domain::Shard;
use crate::envelope::SealedEnvelope;

/// One entry of a shard's stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The shard in whose stream it stands.
    pub shard: Shard,
    /// Its id there: `<milliseconds>-<sequence>`.
    pub id: String,
    /// Its fields and values, in order.
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    /// Reads `[id, [field, value, …]]`. Whatever is not bytes there is left out, so that one odd entry cannot
    /// hide the others.
    pub(super) fn of_value(shard: Shard, value: Value) -> Option<Self> {
        let Value::Array(parts) = value else { return None };
        let mut parts = parts.into_iter();
        let id = String::from_utf8(bytes(parts.next()?)?).ok()?;
        let mut texts = match parts.next() {
            Some(Value::Array(texts)) => texts.into_iter(),
            _ => Vec::new().into_iter(),
        };
        let mut fields = Vec::with_capacity(texts.len() / 2);
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            fields.push((bytes(name).unwrap_or_default(), bytes(value).unwrap_or_default()));
        }
        Some(Self { shard, id, fields })
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

    fn field(&self, name: &[u8]) -> Option<&[u8]> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_slice())
    }
}

/// How much of a field is described: well above any field that the API writes.
const MAX_DESCRIBED_BYTES: usize = 64 * 1024;

fn escaped(bytes: &[u8]) -> std::slice::EscapeAscii<'_> {
    bytes.get(..MAX_DESCRIBED_BYTES).unwrap_or(bytes).escape_ascii()
}

pub(super) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}
