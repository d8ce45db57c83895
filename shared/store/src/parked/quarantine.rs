//! Queue entries, and rows of jobs that wait in Postgres, that could not be trusted or read, kept for an operator.

use satchel_model::ids::{JobId, Shard};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::let_next_go;
use crate::db::stored;
use crate::{StoreError, Tx};

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
    let shards: Vec<_> = entries.iter().map(|entry| stored::shard_number(entry.shard)).collect();
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

/// The row of a job that waits in Postgres and cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// The job that it says it is.
    pub job_id: JobId,
    /// Its `seq` in the journal, or its `position` among parked jobs: another row may have the id by now.
    pub place: i64,
    /// Why.
    pub reason: String,
}

/// Rows by column.
struct Refused<'a> {
    job_ids: Vec<Uuid>,
    places: Vec<i64>,
    reasons: Vec<&'a str>,
}

impl<'a> Refused<'a> {
    fn of(rows: &'a [RefusedRow]) -> Self {
        Self {
            job_ids: rows.iter().map(|row| row.job_id.as_uuid()).collect(),
            places: rows.iter().map(|row| row.place).collect(),
            reasons: rows.iter().map(|row| row.reason.as_str()).collect(),
        }
    }
}

/// Takes rows out of the journal and keeps them, as JSON of the whole row.
///
/// # Errors
/// If Postgres is away.
pub async fn journaled(tx: &mut Tx<'_>, rows: &[RefusedRow]) -> Result<(), StoreError> {
    let Refused { job_ids, places, reasons } = Refused::of(rows);
    sqlx::query!(
        "WITH gone AS (
             DELETE FROM journal
             USING UNNEST($1::uuid[], $2::bigint[], $3::text[]) AS refused (job_id, place, reason)
             WHERE journal.job_id = refused.job_id AND journal.seq = refused.place
             RETURNING journal.shard, journal.job_id, reason, convert_to(row_to_json(journal)::text, 'UTF8') AS body
         )
         INSERT INTO quarantined_entries (shard, entry_id, digest, reason, body, body_bytes)
         SELECT shard, 'journal ' || job_id, sha256(body), reason, substring(body FOR $4), octet_length(body)
         FROM gone
         ON CONFLICT DO NOTHING",
        &job_ids,
        &places,
        &reasons as &[&str],
        i32::try_from(MAX_BODY_BYTES).unwrap_or(i32::MAX),
    )
    .execute(&mut *tx.0)
    .await?;
    Ok(())
}

/// The same for parked jobs; the next ones of those whom they say to be of go on.
///
/// # Errors
/// If Postgres is away.
pub async fn parked(tx: &mut Tx<'_>, rows: &[RefusedRow], user_ids: &[&str]) -> Result<(), StoreError> {
    sqlx::query!(
        "SELECT
         FROM user_names
         JOIN users USING (shard, uid)
         WHERE user_id = ANY($1)
         ORDER BY users.shard, users.uid
         FOR NO KEY UPDATE OF users",
        user_ids as &[&str],
    )
    .execute(&mut *tx.0)
    .await?;
    let Refused { job_ids, places, reasons } = Refused::of(rows);
    sqlx::query!(
        "WITH gone AS (
             DELETE FROM parked_jobs
             USING UNNEST($1::uuid[], $2::bigint[], $3::text[]) AS refused (job_id, place, reason)
             WHERE parked_jobs.job_id = refused.job_id AND parked_jobs.position = refused.place
             RETURNING parked_jobs.shard, parked_jobs.job_id, reason,
                       convert_to(row_to_json(parked_jobs)::text, 'UTF8') AS body
         )
         INSERT INTO quarantined_entries (shard, entry_id, digest, reason, body, body_bytes)
         SELECT shard, 'parked_jobs ' || job_id, sha256(body), reason, substring(body FOR $4), octet_length(body)
         FROM gone
         ON CONFLICT DO NOTHING",
        &job_ids,
        &places,
        &reasons as &[&str],
        i32::try_from(MAX_BODY_BYTES).unwrap_or(i32::MAX),
    )
    .execute(&mut *tx.0)
    .await?;
    let_next_go(&mut tx.0, user_ids).await
}
