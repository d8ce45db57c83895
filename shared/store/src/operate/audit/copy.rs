//! Rows in Postgres's binary COPY format: less work than rows as statements give them. (Postgres manual, "COPY", "Binary
//! Format"; each message is a row: "Message Flow", "COPY Operations".)

use std::str;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use uuid::Uuid;

use super::Transaction;
use crate::StoreError;
use crate::db::stored::Unreadable;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Flags, and the length of an extension that there is none of.
const REST_OF_HEADER_BYTES: usize = 8;
/// Instead of a row's number of fields.
const END: i16 = -1;
/// 2000-01-01, from which Postgres counts, in microseconds since 1970.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// What a statement gives, row after row.
pub(super) struct Rows<'c, B> {
    messages: BoxStream<'c, Result<B, sqlx::Error>>,
    is_begun: bool,
}

/// Asks for the rows of `query`, which takes no parameters: COPY knows none.
pub(super) async fn rows<'c>(
    tx: &'c mut Transaction,
    query: &str,
) -> Result<Rows<'c, impl AsRef<[u8]> + Send + use<>>, StoreError> {
    let messages = tx.copy_out_raw(&format!("COPY ({query}) TO STDOUT (FORMAT binary)")).await?;
    Ok(Rows { messages, is_begun: false })
}

impl<B: AsRef<[u8]>> Rows<'_, B> {
    /// The next one, until there is none.
    pub(super) async fn next(&mut self) -> Result<Option<Row<B>>, StoreError> {
        while let Some(message) = self.messages.try_next().await? {
            let mut start = 0;
            if !self.is_begun {
                start = header_bytes(message.as_ref())?;
                self.is_begun = true;
            }
            if message.as_ref().len() > start {
                let row = Row { message, start };
                if row.fields()?.is_end {
                    continue;
                }
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

fn header_bytes(message: &[u8]) -> Result<usize, Unreadable> {
    if !message.starts_with(SIGNATURE) {
        return Err(Unreadable::new("COPY", "it is not in the binary format"));
    }
    Ok(SIGNATURE.len() + REST_OF_HEADER_BYTES)
}

/// One row.
pub(super) struct Row<B> {
    message: B,
    start: usize,
}

impl<B: AsRef<[u8]>> Row<B> {
    /// Its fields, to be taken in the order of the statement's columns.
    pub(super) fn fields(&self) -> Result<Fields<'_>, Unreadable> {
        let mut fields = Fields { rest: self.message.as_ref().get(self.start..).unwrap_or_default(), is_end: false };
        fields.is_end = i16::from_be_bytes(fields.take()?) == END;
        Ok(fields)
    }
}

/// The rest of a row.
pub(super) struct Fields<'r> {
    rest: &'r [u8],
    is_end: bool,
}

impl<'r> Fields<'r> {
    fn take<const BYTES: usize>(&mut self) -> Result<[u8; BYTES], Unreadable> {
        let (first, rest) = self.rest.split_first_chunk().ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(*first)
    }

    /// A value's bytes, unless it is NULL.
    pub(super) fn optional(&mut self) -> Result<Option<&'r [u8]>, Unreadable> {
        let Ok(bytes) = usize::try_from(i32::from_be_bytes(self.take()?)) else { return Ok(None) };
        let (value, rest) = self.rest.split_at_checked(bytes).ok_or_else(cut_short)?;
        self.rest = rest;
        Ok(Some(value))
    }

    pub(super) fn bytes(&mut self) -> Result<&'r [u8], Unreadable> {
        self.optional()?.ok_or_else(|| Unreadable::new("COPY", "a value is missing"))
    }

    fn fixed<const BYTES: usize>(&mut self) -> Result<[u8; BYTES], Unreadable> {
        self.bytes()?.try_into().map_err(|_| Unreadable::new("COPY", "a value of another type"))
    }

    pub(super) fn int2(&mut self) -> Result<i16, Unreadable> {
        Ok(i16::from_be_bytes(self.fixed()?))
    }

    pub(super) fn int4(&mut self) -> Result<i32, Unreadable> {
        Ok(i32::from_be_bytes(self.fixed()?))
    }

    pub(super) fn int8(&mut self) -> Result<i64, Unreadable> {
        Ok(i64::from_be_bytes(self.fixed()?))
    }

    pub(super) fn boolean(&mut self) -> Result<bool, Unreadable> {
        Ok(self.fixed()? != [0])
    }

    pub(super) fn text(&mut self) -> Result<&'r str, Unreadable> {
        str::from_utf8(self.bytes()?).map_err(|error| Unreadable::new("COPY", error))
    }

    pub(super) fn time(&mut self) -> Result<DateTime<Utc>, Unreadable> {
        let micros = self.int8()?.checked_add(EPOCH_MICROS);
        micros.and_then(DateTime::from_timestamp_micros).ok_or_else(|| Unreadable::new("COPY", "a time far away"))
    }

    pub(super) fn optional_uuid(&mut self) -> Result<Option<Uuid>, Unreadable> {
        let uuid = |bytes| Uuid::from_slice(bytes).map_err(|error| Unreadable::new("COPY", error));
        self.optional()?.map(uuid).transpose()
    }
}

fn cut_short() -> Unreadable {
    Unreadable::new("COPY", "a row is cut short")
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn rows(messages: Vec<Vec<u8>>) -> Rows<'static, Vec<u8>> {
        Rows { messages: Box::pin(stream::iter(messages.into_iter().map(Ok))), is_begun: false }
    }

    fn header() -> Vec<u8> {
        [SIGNATURE, &[0; REST_OF_HEADER_BYTES]].concat()
    }

    const ROW: &[u8] = b"\0\x03\0\0\0\x08\0\0\0\0\0\0\0\x07\xff\xff\xff\xff\0\0\0\x02hi";

    #[tokio::test]
    async fn rows_are_read_whether_the_header_comes_with_the_first_or_before_it() {
        let together = vec![[header(), ROW.to_vec()].concat(), ROW.to_vec(), vec![0xff, 0xff]];
        let apart = vec![header(), ROW.to_vec(), ROW.to_vec(), vec![0xff, 0xff]];
        for messages in [together, apart] {
            let mut rows = rows(messages);
            for _ in 0..2 {
                let row = rows.next().await.unwrap().unwrap();
                let mut fields = row.fields().unwrap();
                assert_eq!(
                    (fields.int8().unwrap(), fields.optional().unwrap(), fields.text().unwrap()),
                    (7, None, "hi")
                );
            }
            assert!(rows.next().await.unwrap().is_none());
        }
        assert!(rows(vec![[header(), vec![0xff, 0xff]].concat()]).next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_no_row_is_an_error() {
        assert!(rows(vec![ROW.to_vec()]).next().await.is_err());
        let row = rows(vec![[header(), ROW.to_vec()].concat()]).next().await.unwrap().unwrap();
        assert!(row.fields().unwrap().int2().is_err(), "eight bytes are no smallint");
        let cut = ROW.split_last().unwrap().1;
        let row = rows(vec![[header(), cut.to_vec()].concat()]).next().await.unwrap().unwrap();
        let mut fields = row.fields().unwrap();
        assert!(fields.int8().is_ok() && fields.optional().is_ok() && fields.text().is_err());
    }
}
