//! Adding jobs to the journal: set-based, and once per job id.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use satchel_model::ids::{JobId, Shard, UserId};
use satchel_model::operations::Envelope;
use satchel_model::operations::PayloadHash;
use satchel_wire::envelope::{self, EnvelopeKey};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::db::stored;
use crate::reads::jobs;
use crate::{Pool, StoreError};

/// Most jobs that one statement adds: at most 32 MiB of the largest valid ones.
pub const MAX_ENTRIES_PER_STATEMENT: usize = 4_096;
/// How often adding is tried where ids are taken and become free meanwhile.
const MAX_ROUNDS: u32 = 3;

/// A job to keep.
#[derive(Debug, Clone, Copy)]
pub struct JournalEntry<'a> {
    /// The job.
    pub envelope: &'a Envelope,
    /// SHA-256 of its canonical form.
    pub payload_hash: PayloadHash,
    /// Its user's shard.
    pub shard: Shard,
    /// Signs it.
    pub key: &'a EnvelopeKey,
}

/// What came of adding a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is kept now.
    New,
    /// A job with its id was accepted before.
    Known {
        /// Whether it is the same job.
        same: bool,
    },
}

/// Who has a job id.
struct Holder {
    user_id: UserId,
    payload_hash: PayloadHash,
    /// Whether it was free before.
    is_new: bool,
}

impl Holder {
    fn of(entry: &JournalEntry<'_>, is_new: bool) -> Self {
        Self { user_id: entry.envelope.job.user_id.clone(), payload_hash: entry.payload_hash, is_new }
    }

    /// What came of the next entry with this id: the first one may be the new one.
    fn answer(&mut self, entry: &JournalEntry<'_>) -> Appended {
        if std::mem::take(&mut self.is_new) {
            return Appended::New;
        }
        Appended::Known { same: self.user_id == entry.envelope.job.user_id && self.payload_hash == entry.payload_hash }
    }
}

/// Keeps jobs, in this order; when it returns they are durable. A longer list than [`MAX_ENTRIES_PER_STATEMENT`] is
/// added in parts. What came of each, in their order.
///
/// # Errors
/// If Postgres is away; some may be kept all the same.
pub async fn append(pool: &Pool, entries: &[JournalEntry<'_>]) -> Result<Vec<Appended>, StoreError> {
    let mut appended = Vec::with_capacity(entries.len());
    for part in entries.chunks(MAX_ENTRIES_PER_STATEMENT) {
        let mut holders = append_part(pool, part).await?;
        appended.extend(part.iter().map(|entry| {
            let holder = holders.entry(entry.envelope.job_id).or_insert_with(|| Holder::of(entry, false));
            holder.answer(entry)
        }));
    }
    Ok(appended)
}

/// Who has the entries' ids now. Missing are those that were taken and free again whenever they were looked at.
async fn append_part(pool: &Pool, entries: &[JournalEntry<'_>]) -> Result<HashMap<JobId, Holder>, StoreError> {
    let mut seen = HashSet::new();
    let mut left: Vec<&JournalEntry<'_>> = entries.iter().filter(|entry| seen.insert(entry.envelope.job_id)).collect();
    let mut holders = HashMap::with_capacity(left.len());
    for _ in 0..MAX_ROUNDS {
        let mut tx = pool.0.begin().await?;
        let taken = insert(&mut tx, &left).await?;
        let (others, added): (Vec<&JournalEntry<'_>>, Vec<_>) =
            left.into_iter().partition(|entry| taken.contains(&entry.envelope.job_id.as_uuid()));
        let settled = give_back_settled(&mut tx, &added).await?;
        tx.commit().await?;
        holders.extend(added.into_iter().map(|entry| (entry.envelope.job_id, Holder::of(entry, true))));
        holders.extend(settled);
        if others.is_empty() {
            break;
        }
        holders.extend(find_holders(pool, &taken).await?);
        left = others.into_iter().filter(|entry| !holders.contains_key(&entry.envelope.job_id)).collect();
        if left.is_empty() {
            break;
        }
    }
    Ok(holders)
}

/// Adds those whose ids are free in the journal; the ids that are not.
async fn insert(connection: &mut PgConnection, entries: &[&JournalEntry<'_>]) -> Result<HashSet<Uuid>, StoreError> {
    let user_ids: Vec<_> = entries.iter().map(|entry| entry.envelope.job.user_id.as_str()).collect();
    let job_ids: Vec<_> = entries.iter().map(|entry| entry.envelope.job_id.as_uuid()).collect();
    let shards: Vec<_> = entries.iter().map(|entry| stored::shard_number(entry.shard)).collect();
    let types: Vec<_> = entries.iter().map(|entry| entry.envelope.job.work.name()).collect();
    let payload_hashes: Vec<_> = entries.iter().map(|entry| &entry.payload_hash.0[..]).collect();
    let actors: Vec<_> = entries.iter().map(|entry| entry.envelope.actor.to_string()).collect();
    let submitted_at: Vec<_> = entries.iter().map(|entry| entry.envelope.submitted_at).collect();
    let not_before: Vec<_> = entries.iter().map(|entry| entry.envelope.job.not_before).collect();
    let bodies: Vec<_> = entries.iter().map(|entry| entry.envelope.body()).collect();
    let macs: Vec<_> = entries.iter().zip(&bodies).map(|(entry, body)| entry.key.sign(body)).collect();
    let taken = sqlx::query_scalar!(
        r#"WITH numbered AS MATERIALIZED (
               SELECT nextval('journal_seq') AS seq, given.*
               FROM UNNEST($1::text[], $2::uuid[], $3::integer[], $4::text[], $5::bytea[], $6::text[],
                           $7::timestamptz[], $8::timestamptz[], $9::text[], $11::bytea[])
                    AS given (user_id, job_id, shard, type, payload_hash, actor, submitted_at, not_before, body, mac)
           ), added AS (
               INSERT INTO journal (user_id, job_id, shard, seq, type, payload_hash, actor, submitted_at, not_before,
                                    envelope_version, body, mac, accepted_at)
               SELECT user_id, job_id, shard, seq, type, payload_hash, actor, submitted_at,
                      -- One that is due already is like any other.
                      CASE WHEN not_before > statement_timestamp() THEN not_before END,
                      $10, body, mac, statement_timestamp()
               FROM numbered
               -- Another shard's job may have the id of an event as well.
               WHERE NOT EXISTS (SELECT FROM journal AS other WHERE other.job_id = numbered.job_id)
               -- Two that add the same ids wait for each other in one direction only.
               ORDER BY job_id
               ON CONFLICT (job_id, shard) DO NOTHING
               RETURNING job_id
           )
           SELECT job_id AS "job_id!"
           FROM UNNEST($2::uuid[]) AS given (job_id)
           WHERE job_id NOT IN (SELECT job_id FROM added)"#,
        &user_ids as &[&str],
        &job_ids,
        &shards,
        &types as &[&str],
        &payload_hashes as &[&[u8]],
        &actors,
        &submitted_at,
        &not_before as &[Option<DateTime<Utc>>],
        &bodies,
        i32::try_from(envelope::VERSION).unwrap_or(i32::MAX),
        &macs,
    );
    Ok(taken.fetch_all(connection).await?.into_iter().collect())
}

/// Takes back, of jobs that were just added, those whose idempotency key was used before by one that has left the
/// journal since somebody looked; who has their ids. A statement of its own sees what was committed while the adding waited.
async fn give_back_settled(
    connection: &mut PgConnection,
    added: &[&JournalEntry<'_>],
) -> Result<HashMap<JobId, Holder>, StoreError> {
    let keyed = added.iter().map(|entry| entry.envelope.job_id).filter(JobId::is_of_key);
    let keyed: HashSet<Uuid> = keyed.map(|job_id| job_id.as_uuid()).collect();
    if keyed.is_empty() {
        return Ok(HashMap::new());
    }
    let settled = find_settled(&mut *connection, &keyed).await?;
    if !settled.is_empty() {
        let job_ids: Vec<Uuid> = settled.keys().map(JobId::as_uuid).collect();
        sqlx::query!("SELECT FROM take_back_journaled($1)", &job_ids).execute(connection).await?;
    }
    Ok(settled)
}

struct HolderRow {
    job_id: Uuid,
    user_id: String,
    payload_hash: Vec<u8>,
}

/// Who has these ids of jobs that are parked or decided.
async fn find_settled(
    connection: &mut PgConnection,
    job_ids: &HashSet<Uuid>,
) -> Result<HashMap<JobId, Holder>, StoreError> {
    let job_ids: Vec<_> = job_ids.iter().copied().collect();
    let rows = sqlx::query_as!(
        HolderRow,
        "SELECT job_id, user_id, payload_hash FROM parked_jobs WHERE job_id = ANY($1)",
        &job_ids,
    );
    let mut holders = holders_of(rows.fetch_all(&mut *connection).await?)?;
    // In this order: one that moves in between is found where it has gone.
    let job_ids: Vec<JobId> = job_ids.into_iter().map(JobId::from).collect();
    let decided = jobs::select(connection, &job_ids).await?.into_iter().map(|(job_id, record)| {
        (job_id, Holder { user_id: record.user_id, payload_hash: record.payload_hash, is_new: false })
    });
    holders.extend(decided);
    Ok(holders)
}

/// Who has these ids: a job of the journal, or of where jobs go from there.
async fn find_holders(pool: &Pool, job_ids: &HashSet<Uuid>) -> Result<HashMap<JobId, Holder>, StoreError> {
    let mut connection = pool.0.acquire().await?;
    let ids: Vec<_> = job_ids.iter().copied().collect();
    let rows =
        sqlx::query_as!(HolderRow, "SELECT job_id, user_id, payload_hash FROM journal WHERE job_id = ANY($1)", &ids,);
    let mut holders = holders_of(rows.fetch_all(&mut *connection).await?)?;
    // In this order: one that moves in between is found where it has gone.
    holders.extend(find_settled(&mut connection, job_ids).await?);
    Ok(holders)
}

fn holders_of(rows: Vec<HolderRow>) -> Result<HashMap<JobId, Holder>, StoreError> {
    rows.into_iter()
        .map(|row| {
            let (user_id, payload_hash) = (stored::user_id(&row.user_id)?, stored::payload_hash(&row.payload_hash)?);
            Ok((row.job_id.into(), Holder { user_id, payload_hash, is_new: false }))
        })
        .collect()
}
