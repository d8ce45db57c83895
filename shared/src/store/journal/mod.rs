//! Accepted jobs that Postgres keeps until they are decided or set aside, so that nothing is lost with Redis.
//!
//! `seq` is the order accepted, of a user's jobs without delay also the order to apply. A delayed one comes before the
//! first of them that was accepted when it was due or later, and delayed ones come by their time, then by `seq`.

mod append;
mod earlier;
mod forgotten;

use std::collections::HashMap;

use uuid::Uuid;

use super::stored::{self, Unreadable};
use super::waiting::{self, WaitingJob};
use super::{Pool, StoreError, Tx};
use crate::domain::{JobId, Shard, UserId};

pub use append::{Appended, JournalEntry, MAX_ENTRIES_PER_STATEMENT, append};
pub use earlier::earlier;
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
        r#"SELECT job_id, type AS job_type, user_id, 'held' AS "state!", submitted_at,
                  (body::json #>> '{job,notBefore}')::timestamptz AS not_before,
                  body::json #>> '{job,priority}' AS priority, 0 AS "attempts!", actor, payload_hash
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

/// Forgets jobs that are decided or set aside.
///
/// # Errors
/// If Postgres is away.
pub async fn remove(tx: &mut Tx<'_>, job_ids: &[JobId]) -> Result<(), StoreError> {
    let job_ids: Vec<_> = job_ids.iter().map(JobId::as_uuid).collect();
    sqlx::query!("DELETE FROM journal WHERE job_id = ANY($1)", &job_ids).execute(&mut *tx.0).await?;
    Ok(())
}
