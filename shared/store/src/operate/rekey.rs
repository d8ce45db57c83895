//! Signing heads and records anew, after a change of `SATCHEL_LEDGER_KEY`: docs/design/ledger.md.

use std::fmt;

use chrono::{DateTime, Utc};
use satchel_model::ids::JobId;
use satchel_model::ledger::{Head, LedgerKeys, Mac, MacFault, Record, Seal};
use uuid::Uuid;

use crate::db::stored::{self, Unreadable};
use crate::{Pool, StoreError};

/// Most rows of one step, which is a transaction.
const STEP_ROWS: i64 = 1_000;

/// Most faults listed.
pub const MAX_LISTED: usize = 1_000;

/// What was done so far.
#[derive(Debug, Default)]
pub struct Rekeyed {
    /// Heads looked at.
    pub heads: u64,
    /// Records without changes looked at.
    pub records: u64,
    /// How many of both were signed anew.
    pub signed: u64,
    /// How many of both no key at hand has signed as they are. They stay so.
    pub untrusted: u64,
    /// The first of these, at most [`MAX_LISTED`].
    pub listed: Vec<Untrusted>,
}

/// A head or record that no key at hand has signed as it is.
#[derive(Debug)]
pub struct Untrusted {
    /// Which.
    pub subject: Subject,
    /// Why it is not trusted.
    pub fault: MacFault,
}

/// What is signed.
#[derive(Debug)]
pub enum Subject {
    /// Where the ledger of a user ends, who is named as `user_names` has it, else by number.
    Head(String),
    /// The record of a job without changes.
    Record(JobId),
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Head(user) => write!(f, "the head of user {user}: {}", self.fault),
            Subject::Record(job_id) => write!(f, "the record of job {job_id}: {}", self.fault),
        }
    }
}

impl Rekeyed {
    fn refuse(&mut self, subject: Subject, fault: MacFault) {
        self.untrusted += 1;
        if self.listed.len() < MAX_LISTED {
            self.listed.push(Untrusted { subject, fault });
        }
    }
}

/// Signs all heads, and all records without changes, by the current key: those that it or the previous one has signed. Says after
/// each step how far it is. Runs beside workers, and may be begun again (as the owner of the schema).
///
/// # Errors
/// If Postgres is away, the login may not, or a user's row is locked for too long.
pub async fn run(pool: &Pool, keys: &LedgerKeys, mut tell: impl FnMut(&Rekeyed)) -> Result<Rekeyed, StoreError> {
    let mut done = Rekeyed::default();
    let mut after = Some((i32::MIN, i64::MIN));
    while let Some(place) = after {
        after = sign_heads(pool, keys, place, &mut done).await?;
        tell(&done);
    }
    let mut after = Some((false, None, Uuid::nil()));
    while let Some(place) = after {
        after = sign_records(pool, keys, place, &mut done).await?;
        tell(&done);
    }
    Ok(done)
}

/// A step over heads behind a shard and a number: where it ended, if there may be more.
async fn sign_heads(
    pool: &Pool,
    keys: &LedgerKeys,
    after: (i32, i64),
    done: &mut Rekeyed,
) -> Result<Option<(i32, i64)>, StoreError> {
    let mut tx = pool.0.begin().await?;
    // In the order in which batches lock them.
    let rows = sqlx::query!(
        "SELECT shard, uid, version, hash, decided_at, mac, user_id AS \"user_id?\"
         FROM users
         LEFT JOIN user_names USING (shard, uid)
         WHERE (shard, uid) > ($1, $2)
         ORDER BY shard, uid
         LIMIT $3
         FOR NO KEY UPDATE OF users",
        after.0,
        after.1,
        STEP_ROWS,
    )
    .fetch_all(&mut *tx)
    .await?;
    let place = next_step(&rows).map(|last| (last.shard, last.uid));
    let (mut shards, mut uids, mut macs) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        done.heads += 1;
        let user = stored::user_key(row.shard, row.uid)?;
        // Whether jobs are blocked is not signed.
        let hash = stored::chain_hash(&row.hash)?;
        let head = Head { version: row.version, hash, decided_at: row.decided_at, is_blocked: false };
        if let Err(fault) = keys.check_head(user.uid, &head, row.mac.as_deref()) {
            done.refuse(Subject::Head(row.user_id.unwrap_or_else(|| format!("#{}", user.uid))), fault);
            continue;
        }
        let mac = keys.current.sign_head(user.uid, &head);
        if row.mac.is_some_and(|found| found != mac.as_bytes()) {
            shards.push(row.shard);
            uids.push(row.uid);
            macs.push(mac);
        }
    }
    let macs = bytes(&macs);
    let signed = sqlx::query!(
        "UPDATE users
         SET mac = signed.mac
         FROM UNNEST($1::integer[], $2::bigint[], $3::bytea[]) AS signed (shard, uid, mac)
         WHERE users.shard = signed.shard AND users.uid = signed.uid",
        &shards,
        &uids,
        &macs as &[&[u8]],
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    done.signed += signed.rows_affected();
    Ok(place)
}

/// A step over records without changes behind a place in the index `records_passing` and a job: where it ended, if there may be more.
async fn sign_records(
    pool: &Pool,
    keys: &LedgerKeys,
    after: (bool, Option<DateTime<Utc>>, Uuid),
    done: &mut Rekeyed,
) -> Result<Option<(bool, Option<DateTime<Utc>>, Uuid)>, StoreError> {
    let mut tx = pool.0.begin().await?;
    let rows = sqlx::query!(
        r#"SELECT is_rejected AND substr(job_id::text, 15, 1) = '7' AS "is_keyless!", at, job_id AS "job_id!",
                  shard, uid, seq, is_rejected, body, seal AS "seal!"
           FROM records
           WHERE count = 0 AND seal IS NOT NULL
             AND ((is_rejected AND substr(job_id::text, 15, 1) = '7'), at, job_id)
                 > ($1, COALESCE($2, '-infinity'::timestamptz), $3)
           ORDER BY (is_rejected AND substr(job_id::text, 15, 1) = '7'), at, job_id
           LIMIT $4
           FOR NO KEY UPDATE"#,
        after.0,
        after.1,
        after.2,
        STEP_ROWS,
    )
    .fetch_all(&mut *tx)
    .await?;
    let place = next_step(&rows).map(|last| (last.is_keyless, Some(last.at), last.job_id));
    let (mut job_ids, mut macs) = (Vec::new(), Vec::new());
    for row in rows {
        done.records += 1;
        let job_id = JobId::from(row.job_id);
        let record = Record {
            user: stored::user_key(row.shard, row.uid)?,
            seq: row.seq,
            count: 0,
            job_id: Some(job_id),
            is_rejected: row.is_rejected,
            at: row.at,
            body: row.body,
            seal: Seal::Alone(mac_of(&row.seal)?),
        };
        if let Err(fault) = keys.check_record(&record, record.seal.as_bytes()) {
            done.refuse(Subject::Record(job_id), fault);
            continue;
        }
        let mac = record.mac(&keys.current);
        if record.seal != Seal::Alone(mac) {
            job_ids.push(row.job_id);
            macs.push(mac);
        }
    }
    let macs = bytes(&macs);
    let signed = sqlx::query!(
        "UPDATE records
         SET seal = signed.seal
         FROM UNNEST($1::uuid[], $2::bytea[]) AS signed (job_id, seal)
         WHERE records.job_id = signed.job_id AND count = 0",
        &job_ids,
        &macs as &[&[u8]],
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    done.signed += signed.rows_affected();
    Ok(place)
}

/// The last row of a step, unless there was no more.
fn next_step<T>(rows: &[T]) -> Option<&T> {
    rows.last().filter(|_| i64::try_from(rows.len()).is_ok_and(|count| count >= STEP_ROWS))
}

fn bytes(macs: &[Mac]) -> Vec<&[u8]> {
    macs.iter().map(Mac::as_bytes).collect()
}

fn mac_of(bytes: &[u8]) -> Result<Mac, Unreadable> {
    bytes.try_into().map(Mac::of_bytes).map_err(|error| Unreadable::new("seal", error))
}
