//! The append-only ledger.

use chrono::{DateTime, Utc};
use satchel_model::ids::{ItemId, JobId, UserId};
use satchel_model::ledger::LedgerEntry;
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

pub(crate) struct Row {
    pub(crate) user_id: String,
    pub(crate) seq: i64,
    pub(crate) job_id: Uuid,
    pub(crate) item_id: String,
    pub(crate) delta: i64,
    pub(crate) balance: i64,
    pub(crate) job_type: String,
    pub(crate) actor: String,
    pub(crate) reason: Option<String>,
    pub(crate) request_id: String,
    pub(crate) cause: Option<String>,
    pub(crate) catalogue_version: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) hash: Vec<u8>,
}

impl TryFrom<Row> for LedgerEntry {
    type Error = Unreadable;

    fn try_from(row: Row) -> Result<Self, Unreadable> {
        Ok(Self {
            user_id: stored::user_id(&row.user_id)?,
            seq: row.seq,
            at: row.at,
            job_id: row.job_id.into(),
            job_type: row.job_type.into(),
            item_id: stored::item_id(&row.item_id)?,
            delta: row.delta,
            balance: row.balance,
            actor: row.actor,
            reason: row.reason,
            request_id: row.request_id,
            cause: row.cause,
            catalogue_version: row.catalogue_version,
            hash: stored::chain_hash(&row.hash)?,
        })
    }
}

/// One page of a user's history. The two orders differ in the comparison and in the sort alone.
macro_rules! select_page {
    ($pool:expr, $user_id:expr, $filter:expr, $start:expr, $after:literal, $sort:literal) => {
        sqlx::query_as!(
            Row,
            "SELECT user_id, seq, job_id, item_id, delta, balance, type AS job_type, actor, reason, request_id, cause,
                    catalogue_version, at, hash
             FROM ledger
             WHERE user_id = $1
               AND ($2::text IS NULL OR item_id = $2)
               AND ($3::text IS NULL OR type = $3)
               AND ($4::uuid IS NULL OR job_id = $4)
               AND ($5::timestamptz IS NULL OR at >= $5)
               AND ($6::timestamptz IS NULL OR at < $6) "
                + $after
                + $sort
                + "LIMIT $8",
            $user_id.as_str(),
            $filter.item_id.as_ref().map(ItemId::as_str),
            $filter.job_type.as_deref(),
            $filter.job_id.map(|job_id| job_id.as_uuid()),
            $filter.from,
            $filter.to,
            // A plain bound, so that a page is found by the primary key wherever it begins.
            $filter.after_seq.unwrap_or($start),
            i64::from($filter.limit),
        )
        .fetch_all(&$pool.0)
    };
}

/// A page of a user's history.
///
/// # Errors
/// If Postgres is away.
pub async fn page(pool: &Pool, user_id: &UserId, filter: &Filter) -> Result<Vec<LedgerEntry>, StoreError> {
    let rows = match filter.order {
        Order::NewestFirst => {
            select_page!(pool, user_id, filter, i64::MAX, "AND seq < $7 ", "ORDER BY seq DESC ").await?
        }
        Order::OldestFirst => select_page!(pool, user_id, filter, 0, "AND seq > $7 ", "ORDER BY seq ASC ").await?,
    };
    Ok(rows.into_iter().map(LedgerEntry::try_from).collect::<Result<_, _>>()?)
}
