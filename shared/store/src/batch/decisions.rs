//! What a batch has decided, as it is written: jobs and ledger entries, which are only ever added.

use std::borrow::Borrow;

use chrono::{DateTime, Utc};
use satchel_model::ledger::LedgerEntry;
use satchel_model::records::JobRecord;
use uuid::Uuid;

use crate::{StoreError, Tx};

/// The constraint that keeps a job from being decided twice.
const ONE_DECISION: &str = "jobs_pkey";

/// Adds decided jobs, and their changes, each user's in order. One statement, since each costs a batch a round trip.
///
/// # Errors
/// If Postgres is away; [`StoreError::Decided`] if a job was decided before; if an entry's number is taken.
pub async fn add(
    tx: &mut Tx<'_>,
    records: &[impl Borrow<JobRecord>],
    entries: &[LedgerEntry],
) -> Result<(), StoreError> {
    let jobs = Jobs::of(records.iter().map(Borrow::borrow));
    let added = Entries::of(entries);
    let done = sqlx::query!(
        "WITH added AS (
             INSERT INTO ledger (user_id, seq, job_id, item_id, delta, balance, type, actor, reason, request_id, cause,
                                 catalogue_version, at, hash)
             SELECT *
             FROM UNNEST($12::text[], $13::bigint[], $14::uuid[], $15::text[], $16::bigint[], $17::bigint[], $18::text[],
                         $19::text[], $20::text[], $21::text[], $22::text[], $23::bigint[], $24::timestamptz[],
                         $25::bytea[])
         )
         INSERT INTO jobs (user_id, job_id, type, payload_hash, status, result, actor, request_id, attempts,
                           submitted_at, applied_at)
         SELECT user_id, job_id, type, payload_hash, status, result::json, actor, request_id, attempts,
                submitted_at, applied_at
         FROM UNNEST($1::text[], $2::uuid[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::integer[], $10::timestamptz[], $11::timestamptz[])
              AS decided (user_id, job_id, type, payload_hash, status, result, actor, request_id, attempts,
                          submitted_at, applied_at)",
        &jobs.user_ids as &[&str],
        &jobs.job_ids,
        &jobs.types as &[&str],
        &jobs.payload_hashes as &[&[u8]],
        &jobs.statuses as &[&str],
        &jobs.results as &[&str],
        &jobs.actors as &[&str],
        &jobs.request_ids as &[&str],
        &jobs.attempts,
        &jobs.submitted_at,
        &jobs.applied_at,
        &added.user_ids as &[&str],
        &added.seqs,
        &added.job_ids,
        &added.item_ids as &[&str],
        &added.deltas,
        &added.balances,
        &added.types as &[&str],
        &added.actors as &[&str],
        &added.reasons as &[Option<&str>],
        &added.request_ids as &[&str],
        &added.causes as &[Option<&str>],
        &added.catalogue_versions,
        &added.at,
        &added.hashes as &[&[u8]],
    )
    .execute(&mut *tx.0)
    .await;
    match done {
        Err(sqlx::Error::Database(error)) if error.constraint() == Some(ONE_DECISION) => Err(StoreError::Decided),
        done => Ok(done.map(drop)?),
    }
}

/// Jobs by column, as Postgres takes them.
struct Jobs<'a> {
    user_ids: Vec<&'a str>,
    job_ids: Vec<Uuid>,
    types: Vec<&'a str>,
    payload_hashes: Vec<&'a [u8]>,
    statuses: Vec<&'a str>,
    results: Vec<&'a str>,
    actors: Vec<&'a str>,
    request_ids: Vec<&'a str>,
    attempts: Vec<i32>,
    submitted_at: Vec<DateTime<Utc>>,
    applied_at: Vec<DateTime<Utc>>,
}

impl<'a> Jobs<'a> {
    fn of(records: impl Iterator<Item = &'a JobRecord> + Clone) -> Self {
        Self {
            user_ids: records.clone().map(|record| record.user_id.as_str()).collect(),
            job_ids: records.clone().map(|record| record.job_id.as_uuid()).collect(),
            types: records.clone().map(|record| &*record.job_type).collect(),
            payload_hashes: records.clone().map(|record| &record.payload_hash.0[..]).collect(),
            statuses: records.clone().map(|record| record.status.as_str()).collect(),
            results: records.clone().map(|record| record.result.get()).collect(),
            actors: records.clone().map(|record| record.actor.as_str()).collect(),
            request_ids: records.clone().map(|record| record.request_id.as_str()).collect(),
            attempts: records.clone().map(|record| record.attempts).collect(),
            submitted_at: records.clone().map(|record| record.submitted_at).collect(),
            applied_at: records.map(|record| record.applied_at).collect(),
        }
    }
}

/// Ledger entries by column.
struct Entries<'a> {
    user_ids: Vec<&'a str>,
    seqs: Vec<i64>,
    job_ids: Vec<Uuid>,
    item_ids: Vec<&'a str>,
    deltas: Vec<i64>,
    balances: Vec<i64>,
    types: Vec<&'a str>,
    actors: Vec<&'a str>,
    reasons: Vec<Option<&'a str>>,
    request_ids: Vec<&'a str>,
    causes: Vec<Option<&'a str>>,
    catalogue_versions: Vec<i64>,
    at: Vec<DateTime<Utc>>,
    hashes: Vec<&'a [u8]>,
}

impl<'a> Entries<'a> {
    fn of(entries: &'a [LedgerEntry]) -> Self {
        Self {
            user_ids: entries.iter().map(|entry| entry.user_id.as_str()).collect(),
            seqs: entries.iter().map(|entry| entry.seq).collect(),
            job_ids: entries.iter().map(|entry| entry.job_id.as_uuid()).collect(),
            item_ids: entries.iter().map(|entry| entry.item_id.as_str()).collect(),
            deltas: entries.iter().map(|entry| entry.delta).collect(),
            balances: entries.iter().map(|entry| entry.balance).collect(),
            types: entries.iter().map(|entry| &*entry.job_type).collect(),
            actors: entries.iter().map(|entry| entry.actor.as_str()).collect(),
            reasons: entries.iter().map(|entry| entry.reason.as_deref()).collect(),
            request_ids: entries.iter().map(|entry| entry.request_id.as_str()).collect(),
            causes: entries.iter().map(|entry| entry.cause.as_deref()).collect(),
            catalogue_versions: entries.iter().map(|entry| entry.catalogue_version).collect(),
            at: entries.iter().map(|entry| entry.at).collect(),
            hashes: entries.iter().map(|entry| &entry.hash.0[..]).collect(),
        }
    }
}
