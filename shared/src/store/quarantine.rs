//! Queue entries that could not be trusted or read, kept for an operator.

use sha2::{Digest, Sha256};

use super::{StoreError, Tx};
use crate::domain::Shard;

/// Most bytes kept of one entry: twice what the API ever writes. The rest of a longer one is dropped, its
/// length and digest are kept.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// Most entries in one statement, so that it stays far below the 1 GB that Postgres takes.
const MAX_ENTRIES_PER_STATEMENT: usize = 256;

/// An entry kept apart.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// The shard in whose stream it stood.
    pub shard: Shard,
    /// Its id there.
    pub entry_id: String,
    /// Why.
    pub reason: String,
    /// Its fields, a line `name=value` each, bytes outside of printable ASCII escaped.
    pub body: Vec<u8>,
}

/// Keeps entries. One that is kept already is passed over.
///
/// # Errors
/// If Postgres is away.
pub async fn insert(tx: &mut Tx<'_>, entries: &[Quarantined]) -> Result<(), StoreError> {
    for chunk in entries.chunks(MAX_ENTRIES_PER_STATEMENT) {
        insert_chunk(tx, chunk).await?;
    }
    Ok(())
}

async fn insert_chunk(tx: &mut Tx<'_>, entries: &[Quarantined]) -> Result<(), StoreError> {
    let shards: Vec<_> = entries.iter().map(|entry| i32::from(entry.shard.get())).collect();
    let entry_ids: Vec<_> = entries.iter().map(|entry| entry.entry_id.as_str()).collect();
    let digests: Vec<_> = entries.iter().map(|entry| Sha256::digest(&entry.body).to_vec()).collect();
    let reasons: Vec<_> = entries.iter().map(|entry| entry.reason.as_str()).collect();
    let bodies: Vec<_> = entries.iter().map(|entry| entry.body.get(..MAX_BODY_BYTES).unwrap_or(&entry.body)).collect();
    let lengths: Vec<_> = entries.iter().map(|entry| i64::try_from(entry.body.len()).unwrap_or(i64::MAX)).collect();
    sqlx::query!(
        "INSERT INTO quarantined_entries (shard, entry_id, digest, reason, body, body_bytes)
         SELECT shard, entry_id, digest, reason, body, body_bytes
         FROM UNNEST($1::integer[], $2::text[], $3::bytea[], $4::text[], $5::bytea[], $6::bigint[])
              AS added (shard, entry_id, digest, reason, body, body_bytes)
         ON CONFLICT DO NOTHING",
        &shards,
        &entry_ids as &[&str],
        &digests,
        &reasons as &[&str],
        &bodies as &[&[u8]],
        &lengths,
    )
    .execute(&mut *tx.0)
    .await?;
    Ok(())
}
