//! Accepted jobs that Postgres keeps until they are decided or parked, so that nothing is lost with Redis.
//!
//! `seq` is the order accepted, of a user's jobs without delay also the order to apply. A delayed one comes before the
//! first of them that was accepted when it was due or later, and delayed ones come by their time, then by `seq`.

mod append;
mod earlier;
mod forgotten;

use std::collections::HashMap;

use satchel_model::ids::JobId;
use satchel_wire::envelope::SealedEnvelope;
use uuid::Uuid;

use crate::db::stored;
use crate::waiting::{self, WaitingJob};
use crate::{Pool, StoreError, Tx};

pub use append::{Appended, JournalEntry, MAX_ENTRIES_PER_STATEMENT, append};
pub use earlier::earlier;
pub use forgotten::{Beginning, forgotten, has_overdue, seqs};

/// A job that is kept, as its row says: nothing of it counts that its envelope does not say as well.
#[derive(Debug, Clone)]
pub struct Journaled {
    /// Whose.
    pub user_id: String,
    /// The job.
    pub job_id: JobId,
    /// Its user's shard.
    pub shard: i32,
    /// The order accepted.
    pub seq: i64,
    /// The envelope and who signed it.
    pub sealed: SealedEnvelope,
}

/// Those of the jobs that are kept.
///
/// # Errors
/// If Postgres is away.
pub async fn find_many(pool: &Pool, job_ids: &[JobId]) -> Result<HashMap<JobId, WaitingJob>, StoreError> {
    let job_ids: Vec<_> = job_ids.iter().map(JobId::as_uuid).collect();
    let rows = sqlx::query_as!(
        waiting::Row,
        r#"SELECT job_id, type AS job_type, user_id, 'blocked' AS "state!", submitted_at,
                  body, 0 AS "attempts!", actor, payload_hash
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
    mac: Vec<u8>,
}

impl From<Row> for Journaled {
    fn from(row: Row) -> Self {
        Self {
            user_id: row.user_id,
            job_id: row.job_id.into(),
            shard: row.shard,
            seq: row.seq,
            sealed: stored::sealed(row.envelope_version, row.body, row.mac),
        }
    }
}

/// Forgets jobs that are decided or parked.
///
/// # Errors
/// If Postgres is away.
pub async fn remove(tx: &mut Tx<'_>, job_ids: &[JobId]) -> Result<(), StoreError> {
    let job_ids: Vec<_> = job_ids.iter().map(JobId::as_uuid).collect();
    sqlx::query!("DELETE FROM journal WHERE job_id = ANY($1)", &job_ids).execute(&mut *tx.0).await?;
    Ok(())
}
