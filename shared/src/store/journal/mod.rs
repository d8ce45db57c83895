//! Accepted jobs that Postgres keeps until they are decided or set aside, so that nothing is lost with Redis.
//!
//! `seq` is the order accepted, of a user's jobs without delay also the order to apply: a delayed one joins when it is
//! due.

mod append;
mod forgotten;

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::stored::{self, Unreadable};
use super::waiting::{self, WaitingJob};
use super::{Pool, StoreError, Tx};
use crate::domain::{JobId, Shard, UserId};

pub use append::{Appended, JournalEntry, MAX_ENTRIES_PER_STATEMENT, append};
pub use forgotten::{Beginning, forgotten, has_overdue, seqs};

/// A job that is kept.
#[derive(Debug, Clone)]
pub struct Journaled {
    /// Whose.
    pub user_id: UserId,
    /// The job.
    pub job_id: JobId,
    /// Its user's shard.
    pub shard: Shard,
    /// The order accepted.
    pub seq: i64,
    /// The form of `body`.
    pub envelope_version: u32,
    /// The envelope, for [`crate::envelope::Envelope::parse_body`].
    pub body: String,
}

/// Those of the jobs that are kept.
///
/// # Errors
/// If Postgres is away.
pub async fn find_many(pool: &Pool, job_ids: &[JobId]) -> Result<HashMap<JobId, WaitingJob>, StoreError> {
    let job_ids: Vec<_> = job_ids.iter().map(JobId::as_uuid).collect();
    let rows = sqlx::query_as!(
        waiting::Row,
        r#"SELECT job_id, type AS job_type, user_id, 'held' AS "state!", submitted_at, 0 AS "attempts!", actor,
                  payload_hash
           FROM journal
           WHERE job_id = ANY($1)"#,
        &job_ids,
    )
    .fetch_all(&pool.0)
    .await?;
    Ok(waiting::by_job_id(rows)?)
}

struct Row {
    user_id: String,
    job_id: Uuid,
    shard: i32,
    seq: i64,
    envelope_version: i32,
    body: String,
}

impl TryFrom<Row> for Journaled {
    type Error = Unreadable;

    fn try_from(row: Row) -> Result<Self, Unreadable> {
        Ok(Self {
            user_id: stored::user_id(&row.user_id)?,
            job_id: row.job_id.into(),
            shard: stored::shard(row.shard)?,
            seq: row.seq,
            envelope_version: stored::envelope_version(row.envelope_version)?,
            body: row.body,
        })
    }
}

/// For each user of these delivered jobs, what is kept up to the last one of them, each user's in order: the jobs
/// themselves, without their bodies, and those that must be decided before. Delayed jobs are not among them. At most
/// `max_rows`; then users at the end are missing, or a user's last rows. The users' rows must be locked.
///
/// # Errors
/// If Postgres is away.
pub async fn earlier(tx: &mut Tx<'_>, delivered: &[JobId], max_rows: i64) -> Result<Vec<Journaled>, StoreError> {
    let ids: Vec<_> = delivered.iter().map(JobId::as_uuid).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"WITH last AS (
               SELECT user_id, max(seq) AS seq
               FROM journal
               WHERE job_id = ANY($1) AND COALESCE(not_before, '-infinity') = '-infinity'
               GROUP BY user_id
           )
           SELECT journal.user_id, journal.job_id, journal.shard, journal.seq, journal.envelope_version, '' AS "body!"
           FROM last
           JOIN journal ON journal.user_id = last.user_id AND journal.seq <= last.seq
           -- Not IS NULL: that would allow an index by shard, which a plan made for few rows may well take.
           WHERE COALESCE(journal.not_before, '-infinity') = '-infinity'
           ORDER BY journal.user_id, journal.seq
           LIMIT $2"#,
        &ids,
        max_rows,
    )
    .fetch_all(&mut *tx.0)
    .await?;
    let mut rows: Vec<Journaled> = rows.into_iter().map(Journaled::try_from).collect::<Result<_, _>>()?;
    let delivered: HashSet<JobId> = delivered.iter().copied().collect();
    let forgotten: Vec<&mut Journaled> = rows.iter_mut().filter(|row| !delivered.contains(&row.job_id)).collect();
    if !forgotten.is_empty() {
        read_bodies(tx, forgotten).await?;
    }
    Ok(rows)
}

/// A statement of its own: Postgres would compare each row with each delivered job to leave out the bodies of these.
async fn read_bodies(tx: &mut Tx<'_>, rows: Vec<&mut Journaled>) -> Result<(), StoreError> {
    let ids: Vec<_> = rows.iter().map(|row| row.job_id.as_uuid()).collect();
    let found = sqlx::query!("SELECT job_id, body FROM journal WHERE job_id = ANY($1)", &ids).fetch_all(&mut *tx.0);
    let mut bodies: HashMap<Uuid, String> = found.await?.into_iter().map(|row| (row.job_id, row.body)).collect();
    for row in rows {
        row.body = bodies.remove(&row.job_id.as_uuid()).unwrap_or_default();
    }
    Ok(())
}

/// Forgets jobs that are decided or set aside.
///
/// # Errors
/// If Postgres is away.
pub async fn remove(tx: &mut Tx<'_>, job_ids: &[JobId]) -> Result<(), StoreError> {
    let job_ids: Vec<_> = job_ids.iter().map(JobId::as_uuid).collect();
    sqlx::query!("DELETE FROM journal WHERE job_id = ANY($1)", &job_ids).execute(&mut *tx.0).await?;
    Ok(())
}
