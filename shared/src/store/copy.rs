//! Adding many rows at once by `COPY … FROM STDIN (FORMAT BINARY)` (Postgres manual, COPY, "Binary Format"). Postgres
//! puts them into pages together; as one `INSERT` of arrays the same rows cost it a quarter more.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{StoreError, Tx};

/// Signature, flags, length of the header's extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Instead of a row's number of columns.
const TRAILER: i16 = -1;
/// Instead of a field's length.
const NULL: i32 = -1;
/// From 1970 to 2000, where Postgres counts from, in microseconds.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Rows in the making.
pub(super) struct Rows {
    columns: i16,
    begun: u64,
    bytes: Vec<u8>,
}

impl Rows {
    /// None yet; each row is to have so many columns. There is room for so many rows of about so many bytes.
    pub(super) fn new(columns: i16, rows: usize, row_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER.len() + rows * row_bytes);
        bytes.extend_from_slice(HEADER);
        Self { columns, begun: 0, bytes }
    }

    /// Begins a row. Its columns follow, in order.
    pub(super) fn row(&mut self) -> &mut Self {
        self.begun += 1;
        self.bytes.extend_from_slice(&self.columns.to_be_bytes());
        self
    }

    /// A `text` or `json`.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.field(text.as_bytes())
    }

    /// A `text` that may be missing.
    pub(super) fn optional_text(&mut self, text: Option<&str>) -> &mut Self {
        if let Some(text) = text {
            return self.text(text);
        }
        self.bytes.extend_from_slice(&NULL.to_be_bytes());
        self
    }

    /// A `bytea`.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.field(bytes)
    }

    /// A `uuid`.
    pub(super) fn uuid(&mut self, uuid: Uuid) -> &mut Self {
        self.field(uuid.as_bytes())
    }

    /// An `integer`.
    pub(super) fn integer(&mut self, value: i32) -> &mut Self {
        self.field(&value.to_be_bytes())
    }

    /// A `bigint`.
    pub(super) fn bigint(&mut self, value: i64) -> &mut Self {
        self.field(&value.to_be_bytes())
    }

    /// A `timestamptz`.
    pub(super) fn time(&mut self, time: DateTime<Utc>) -> &mut Self {
        self.bigint(time.timestamp_micros() - POSTGRES_EPOCH_MICROS)
    }

    fn field(&mut self, bytes: &[u8]) -> &mut Self {
        // No field is as long as 2 GiB; Postgres would refuse the length written then.
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Adds the rows; `statement` is the `COPY`, which names table and columns.
    pub(super) async fn copy(mut self, tx: &mut Tx<'_>, statement: &str) -> Result<(), StoreError> {
        self.bytes.extend_from_slice(&TRAILER.to_be_bytes());
        let mut copying = tx.0.copy_in_raw(statement).await?;
        copying.send(self.bytes).await?;
        let copied = copying.finish().await?;
        debug_assert_eq!(copied, self.begun, "every row is added, or none");
        Ok(())
    }
}
