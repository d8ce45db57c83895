//! A batch in one round trip, decided on what its worker remembers. (`migrations/0011_batches.sql`)

use chrono::{DateTime, Utc};
use satchel_model::facts::Holding;
use satchel_model::ids::{ItemId, Shard, UserId, UserKey};
use satchel_model::ledger::Head;
use sqlx::Error;
use uuid::Uuid;

use super::columns::{Columns, query_with};
use super::progress::{Progress, refused};
use super::users::Found;
use crate::db::stored;
use crate::leases::Lease;
use crate::{Session, StoreError};

/// What a batch was decided under and on.
#[derive(Debug, Clone, Copy)]
pub struct Remembered<'a> {
    /// The worker.
    pub worker_id: Uuid,
    /// Its leases of the batch's shards.
    pub leases: &'a [Lease],
    /// The catalogue's version.
    pub catalogue_version: i64,
    /// Where the ledgers of all its users ended.
    pub heads: &'a [(UserKey, Head)],
}

/// Why a batch was not applied: nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A lease is lost or locked, the queue is paused, or another catalogue is in force.
    Rules,
    /// The database's clock says another time: this one.
    Clock(DateTime<Utc>),
    /// A user's ledger does not end where it did, or the user is blocked.
    Users,
}

/// The SQLSTATE of a user's ledger that does not end where it did.
const MOVED: &str = "SA002";

/// Applies a batch as a transaction of its own: the database's clock while it was looked at, or why it was not applied.
///
/// # Errors
/// As [`super::progress::write`]: nothing was written, unless the connection failed.
pub async fn apply(
    session: &mut Session,
    on: Remembered<'_>,
    progress: Progress<'_>,
) -> Result<Result<DateTime<Utc>, Refusal>, StoreError> {
    let lease_shards: Vec<i32> = on.leases.iter().map(|lease| stored::shard_number(lease.shard)).collect();
    let epochs: Vec<i64> = on.leases.iter().map(|lease| lease.epoch).collect();
    let columns = Columns::of(progress, on.heads);
    let done = query_with!(
        [columns]
        r#"SELECT refusal, clock AS "clock!"
           FROM apply_batch(
                $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
                $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28,
                $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44
           )"#,
        on.worker_id,
        &lease_shards,
        &epochs,
        on.catalogue_version,
    )
    .fetch_one(session.connection().await?)
    .await;
    let done = match done {
        Err(Error::Database(error)) if error.code().as_deref() == Some(MOVED) => return Ok(Err(Refusal::Users)),
        done => done.map_err(refused)?,
    };
    Ok(match done.refusal.as_deref() {
        None => Ok(done.clock),
        Some("clock") => Err(Refusal::Clock(done.clock)),
        Some(_) => Err(Refusal::Rules),
    })
}

/// A user whom a batch's worker does not remember, or of whom it does not know what it has of an item.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The user.
    pub user_id: &'a UserId,
    /// Its shard.
    pub shard: Shard,
    /// The item; `None` if the user alone is asked for.
    pub item_id: Option<&'a ItemId>,
}

/// What was found of a [`Wanted`]: the user, and its holding of the item if there is one.
pub type Seen = (Found, Option<Holding>);

/// Looks users and holdings up, all of one moment, without locks: [`apply`] says whether they are still so. Users that are not there
/// are made. In the order of `wanted`.
///
/// # Errors
/// If Postgres is away.
pub async fn find(session: &mut Session, wanted: &[Wanted<'_>]) -> Result<Vec<Seen>, StoreError> {
    let user_ids: Vec<&str> = wanted.iter().map(|wanted| wanted.user_id.as_str()).collect();
    let shards: Vec<i32> = wanted.iter().map(|wanted| stored::shard_number(wanted.shard)).collect();
    let item_ids: Vec<&str> = wanted.iter().map(|wanted| wanted.item_id.map_or("", ItemId::as_str)).collect();
    let rows = sqlx::query!(
        r#"SELECT nth AS "nth!", shard AS "shard!", uid AS "uid!", version AS "version!", hash AS "hash!", decided_at,
                  is_blocked AS "is_blocked!", mac, quantity, granted_total, used_total
           FROM find_holdings($1, $2, $3)
           ORDER BY nth"#,
        &user_ids as &[&str],
        &shards,
        &item_ids as &[&str],
    )
    .fetch_all(session.connection().await?)
    .await?;
    rows.into_iter()
        .map(|row| {
            let (version, decided_at, is_blocked) = (row.version, row.decided_at, row.is_blocked);
            let head = Head { version, hash: stored::chain_hash(&row.hash)?, decided_at, is_blocked };
            let holding = row.quantity.zip(row.granted_total).zip(row.used_total);
            let holding =
                holding.map(|((quantity, granted_total), used_total)| Holding { quantity, granted_total, used_total });
            Ok((Found { key: stored::user_key(row.shard, row.uid)?, head, mac: row.mac }, holding))
        })
        .collect()
}
