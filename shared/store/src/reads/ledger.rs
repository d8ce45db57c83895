//! The append-only ledger.

use chrono::{DateTime, Utc};
use satchel_model::ids::{ItemId, JobId, UserId};
use satchel_model::ledger::{LedgerEntry, Recorded};
use uuid::Uuid;

use crate::db::stored::{self, Unreadable};
use crate::{Pool, StoreError};

/// Which entries of a user's history are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this item only.
    pub item_id: Option<ItemId>,
    /// Of jobs of this type only.
    pub job_type: Option<String>,
    /// Of this job only.
    pub job_id: Option<JobId>,
    /// At or after this moment.
    pub from: Option<DateTime<Utc>>,
    /// Before this moment.
    pub to: Option<DateTime<Utc>>,
    /// Which comes first.
    pub order: Order,
    /// Continue after the entry with this number.
    pub after_seq: Option<i64>,
    /// At most so many.
    pub limit: u16,
}

/// The order of a history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest entry first.
    #[default]
    NewestFirst,
    /// The oldest entry first.
    OldestFirst,
}

struct Row {
    seq: i64,
    at: DateTime<Utc>,
    job_id: Option<Uuid>,
    body: String,
    hash: Vec<u8>,
}

/// Records of one page of a user's history, those that have an entry that fits. The two orders differ in where they begin and in the
/// sort alone. (The inner sort is the index's order, so that no more than a page is read; of a join it would be made of the whole history.)
macro_rules! select_records {
    ($pool:expr, $user_id:expr, $filter:expr, $start:expr, $begin:literal, $sort:literal) => {
        sqlx::query_as!(
            Row,
            r#"SELECT page.seq, page.at, page.job_id, page.body, page.seal AS "hash!"
             FROM user_names
             CROSS JOIN LATERAL (
                 SELECT seq, at, job_id, body, seal
                 FROM records
                 WHERE records.shard = user_names.shard
                   AND records.uid = user_names.uid
                   AND count > 0
                   AND ($2::text IS NULL OR body::json -> 'job' ->> 'type' = $2)
                   AND ($3::uuid IS NULL OR job_id = $3)
                   AND ($4::timestamptz IS NULL OR at >= $4)
                   AND ($5::timestamptz IS NULL OR at < $5)
                   AND EXISTS (
                       SELECT FROM json_array_elements(body::json -> 'changes') AS changes (change)
                       WHERE CASE WHEN $6::text IS NULL THEN change -> 'stack' IS NOT NULL
                                  ELSE change -> 'stack' ->> 0 = $6 END
                   ) "#
                + $begin
                + $sort
                + "LIMIT $8
             ) AS page
             WHERE user_names.user_id = $1 "
                + $sort
                + "LIMIT $8",
            $user_id.as_str(),
            $filter.job_type.as_deref(),
            $filter.job_id.map(|job_id| job_id.as_uuid()),
            $filter.from,
            $filter.to,
            $filter.item_id.as_ref().map(ItemId::as_str),
            // A plain bound, so that a page is found by the index wherever it begins.
            $start,
            // The first one may have no more entries.
            i64::from($filter.limit) + 1,
        )
        .fetch_all(&$pool.0)
    };
}

/// A page of a user's history.
///
/// # Errors
/// If Postgres is away.
pub async fn page(pool: &Pool, user_id: &UserId, filter: &Filter) -> Result<Vec<LedgerEntry>, StoreError> {
    let after = filter.after_seq;
    let rows = match filter.order {
        Order::NewestFirst => {
            let before = after.unwrap_or(i64::MAX);
            select_records!(pool, user_id, filter, before, "AND seq < $7 ", "ORDER BY seq DESC ").await?
        }
        Order::OldestFirst => {
            // The record in which the page before has ended may have more entries.
            select_records!(
                pool,
                user_id,
                filter,
                after.unwrap_or(0),
                "AND seq + count - 1 > $7
                 AND seq >= COALESCE((
                     SELECT max(before.seq)
                     FROM records AS before
                     WHERE before.shard = user_names.shard AND before.uid = user_names.uid AND before.count > 0
                       AND before.seq <= $7
                 ), 0) ",
                "ORDER BY seq ASC "
            )
            .await?
        }
    };
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let hash = stored::chain_hash(&row.hash)?;
        let Row { seq, at, job_id, body, .. } = row;
        let recorded = Recorded { user_id, seq, job_id: job_id.map(JobId::from), at, body: &body, hash };
        let mut of_record = LedgerEntry::of_record(recorded).map_err(|error| Unreadable::new("body", error))?;
        of_record.retain(|entry| filter.item_id.as_ref().is_none_or(|item_id| entry.item_id == *item_id));
        match filter.order {
            Order::NewestFirst => {
                of_record.retain(|entry| after.is_none_or(|after| entry.seq < after));
                of_record.reverse();
            }
            Order::OldestFirst => of_record.retain(|entry| after.is_none_or(|after| entry.seq > after)),
        }
        entries.extend(of_record);
    }
    entries.truncate(filter.limit.into());
    Ok(entries)
}
