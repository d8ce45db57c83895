//! Holdings, as a batch writes them.

use chrono::{DateTime, Utc};
use satchel_model::fold::HoldingChange;

use crate::{StoreError, Tx};

/// Adds holdings that were not there.
///
/// # Errors
/// If Postgres is away, or one is there.
pub(crate) async fn insert(tx: &mut Tx<'_>, rows: &[&HoldingChange<'_>], at: DateTime<Utc>) -> Result<(), StoreError> {
    let columns = Columns::of(rows, at);
    sqlx::query!(
        "INSERT INTO inventory (user_id, item_id, quantity, granted_total, used_total, last_granted_at, last_used_at,
                                updated_at)
         SELECT user_id, item_id, quantity, granted_total, used_total, last_granted_at, last_used_at, $8
         FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[],
                     $7::timestamptz[])
              AS held (user_id, item_id, quantity, granted_total, used_total, last_granted_at, last_used_at)",
        &columns.user_ids as &[&str],
        &columns.item_ids as &[&str],
        &columns.quantities,
        &columns.granted_totals,
        &columns.used_totals,
        &columns.granted_at as &[Option<DateTime<Utc>>],
        &columns.used_at as &[Option<DateTime<Utc>>],
        at,
    )
    .execute(&mut *tx.0)
    .await?;
    Ok(())
}

/// Rows by column, as Postgres takes them.
pub(crate) struct Columns<'a> {
    pub(crate) user_ids: Vec<&'a str>,
    pub(crate) item_ids: Vec<&'a str>,
    pub(crate) quantities: Vec<i64>,
    pub(crate) granted_totals: Vec<i64>,
    pub(crate) used_totals: Vec<i64>,
    pub(crate) granted_at: Vec<Option<DateTime<Utc>>>,
    pub(crate) used_at: Vec<Option<DateTime<Utc>>>,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(rows: &[&HoldingChange<'a>], at: DateTime<Utc>) -> Self {
        Self {
            user_ids: rows.iter().map(|row| row.user_id.as_str()).collect(),
            item_ids: rows.iter().map(|row| row.item_id.as_str()).collect(),
            quantities: rows.iter().map(|row| row.holding.quantity).collect(),
            granted_totals: rows.iter().map(|row| row.holding.granted_total).collect(),
            used_totals: rows.iter().map(|row| row.holding.used_total).collect(),
            granted_at: rows.iter().map(|row| row.granted.then_some(at)).collect(),
            used_at: rows.iter().map(|row| row.used.then_some(at)).collect(),
        }
    }
}
