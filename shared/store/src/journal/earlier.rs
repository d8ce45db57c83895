//! What comes before delivered jobs in their users' order.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use satchel_model::ids::JobId;
use satchel_wire::envelope::SealedEnvelope;
use uuid::Uuid;

use super::{Journaled, Row};
use crate::{StoreError, Tx};

/// A row, and what its place in its user's order hangs on.
struct Placed {
    job: Journaled,
    is_delayed: bool,
    /// When it was accepted, or is due.
    at: DateTime<Utc>,
}

/// For each user of these delivered jobs, what is kept up to the last one of them, each user's in order: the jobs
/// themselves, without their bodies, and those that must be decided before. At most `max_rows`; then users at the end are
/// missing, or a user's last rows. The users' rows must be locked.
///
/// # Errors
/// If Postgres is away.
pub async fn earlier(tx: &mut Tx<'_>, delivered: &[JobId], max_rows: i64) -> Result<Vec<Journaled>, StoreError> {
    let ids: Vec<_> = delivered.iter().map(JobId::as_uuid).collect();
    let rows = sqlx::query!(
        r#"WITH last AS (
               SELECT user_id,
                      COALESCE(max(seq) FILTER (WHERE COALESCE(not_before, '-infinity') = '-infinity'), 0) AS seq,
                      max(not_before) AS due,
                      max(COALESCE(not_before, accepted_at)) AS until
               FROM journal
               WHERE job_id = ANY($1)
               GROUP BY user_id
           ),
           -- Not IS NULL: that would allow an index by shard, which a plan made for few rows may well take.
           earlier AS (
               SELECT journal.*
               FROM last
               JOIN journal ON journal.user_id = last.user_id AND journal.seq <= last.seq
               WHERE COALESCE(journal.not_before, '-infinity') = '-infinity'
               UNION ALL
               SELECT journal.*
               FROM last
               JOIN journal ON journal.user_id = last.user_id AND journal.seq > last.seq
               WHERE last.due IS NOT NULL
                 AND COALESCE(journal.not_before, '-infinity') = '-infinity'
                 AND journal.accepted_at < last.due
               UNION ALL
               SELECT journal.*
               FROM last
               JOIN journal ON journal.user_id = last.user_id AND journal.not_before <= last.until
           )
           SELECT user_id AS "user_id!", job_id AS "job_id!", shard AS "shard!", seq AS "seq!",
                  envelope_version AS "envelope_version!", not_before IS NOT NULL AS "is_delayed!",
                  COALESCE(not_before, accepted_at) AS "at!"
           FROM earlier
           ORDER BY user_id, COALESCE(not_before, accepted_at), seq
           LIMIT $2"#,
        &ids,
        max_rows,
    )
    .fetch_all(&mut *tx.0)
    .await?;
    let mut placed = Vec::with_capacity(rows.len());
    for row in rows {
        let (body, mac) = (String::new(), Vec::new());
        let (is_delayed, at) = (row.is_delayed, row.at);
        let (shard, seq, envelope_version) = (row.shard, row.seq, row.envelope_version);
        let row = Row { user_id: row.user_id, job_id: row.job_id, shard, seq, envelope_version, body, mac };
        placed.push(Placed { job: row.into(), is_delayed, at });
    }
    mend_order(&mut placed);
    let mut rows: Vec<Journaled> = placed.into_iter().map(|placed| placed.job).collect();
    let delivered: HashSet<JobId> = delivered.iter().copied().collect();
    let forgotten: Vec<&mut Journaled> = rows.iter_mut().filter(|row| !delivered.contains(&row.job_id)).collect();
    if !forgotten.is_empty() {
        read_bodies(tx, forgotten).await?;
    }
    Ok(rows)
}

/// Where the database's clock was set back, jobs without delay stand out of the order in which they were accepted: each
/// counts as accepted no sooner than those before it.
fn mend_order(rows: &mut [Placed]) {
    for own in rows.chunk_by_mut(|a, b| a.job.user_id == b.job.user_id) {
        let is_in_order = own.iter().filter(|row| !row.is_delayed).map(|row| row.job.seq).is_sorted();
        if is_in_order {
            continue;
        }
        own.sort_by_key(|row| row.job.seq);
        let mut latest = DateTime::<Utc>::MIN_UTC;
        for row in own.iter_mut().filter(|row| !row.is_delayed) {
            latest = latest.max(row.at);
            row.at = latest;
        }
        own.sort_by_key(|row| (row.at, row.job.seq));
    }
}

/// A statement of its own: Postgres would compare each row with each delivered job to leave out the bodies of these.
async fn read_bodies(tx: &mut Tx<'_>, rows: Vec<&mut Journaled>) -> Result<(), StoreError> {
    let ids: Vec<_> = rows.iter().map(|row| row.job_id.as_uuid()).collect();
    let found =
        sqlx::query!("SELECT job_id, body, mac FROM journal WHERE job_id = ANY($1)", &ids).fetch_all(&mut *tx.0);
    let found = found.await?.into_iter().map(|row| (row.job_id, (row.body, row.mac)));
    let mut bodies: HashMap<Uuid, (String, Vec<u8>)> = found.collect();
    for row in rows {
        let (body, mac) = bodies.remove(&row.job_id.as_uuid()).unwrap_or_default();
        row.sealed = SealedEnvelope { version: row.sealed.version, body: body.into_bytes(), mac };
    }
    Ok(())
}
