//! Writing what a batch leaves.

use chrono::{DateTime, Utc};

use crate::domain::{Holding, ItemId, UserId};
use crate::store::{StoreError, Tx};

/// A holding as a batch leaves it.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// Whose.
    pub user_id: &'a UserId,
    /// Of what.
    pub item_id: &'a ItemId,
    /// What it is now.
    pub holding: Holding,
    /// How many pieces there were before; `None` if there was no such holding.
    pub found: Option<i64>,
    /// Whether the batch granted some.
    pub granted: bool,
    /// Whether the batch used it.
    pub used: bool,
}

/// Writes holdings, each pair at most once, as changed at `at`.
///
/// # Errors
/// If Postgres is away; [`StoreError::Changed`] if a holding is not as it was found.
pub async fn write(tx: &mut Tx<'_>, rows: &[Written<'_>], at: DateTime<Utc>) -> Result<(), StoreError> {
    let (new, known): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.found.is_none());
    if !known.is_empty() {
        update(tx, &known, at).await?;
    }
    if !new.is_empty() {
        insert(tx, &new, at).await?;
    }
    Ok(())
}

/// An upsert would first look for each row and lock it, which costs half as much again.
async fn update(tx: &mut Tx<'_>, rows: &[&Written<'_>], at: DateTime<Utc>) -> Result<(), StoreError> {
    let columns = Columns::of(rows, at);
    let found: Vec<i64> = rows.iter().filter_map(|row| row.found).collect();
    let updated = sqlx::query!(
        "UPDATE inventory
         SET quantity = held.quantity,
             granted_total = held.granted_total,
             used_total = held.used_total,
             last_granted_at = COALESCE(held.last_granted_at, inventory.last_granted_at),
             last_used_at = COALESCE(held.last_used_at, inventory.last_used_at),
             updated_at = CASE WHEN inventory.quantity = held.quantity THEN inventory.updated_at ELSE $8 END
         FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[],
                     $7::timestamptz[], $9::bigint[])
              AS held (user_id, item_id, quantity, granted_total, used_total, last_granted_at, last_used_at, found)
         WHERE inventory.user_id = held.user_id AND inventory.item_id = held.item_id
           AND inventory.quantity = held.found",
        &columns.user_ids as &[&str],
        &columns.item_ids as &[&str],
        &columns.quantities,
        &columns.granted_totals,
        &columns.used_totals,
        &columns.granted_at as &[Option<DateTime<Utc>>],
        &columns.used_at as &[Option<DateTime<Utc>>],
        at,
        &found,
    )
    .execute(&mut *tx.0)
    .await?
    .rows_affected();
    if updated == rows.len() as u64 { Ok(()) } else { Err(StoreError::Changed) }
}

async fn insert(tx: &mut Tx<'_>, rows: &[&Written<'_>], at: DateTime<Utc>) -> Result<(), StoreError> {
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
struct Columns<'a> {
    user_ids: Vec<&'a str>,
    item_ids: Vec<&'a str>,
    quantities: Vec<i64>,
    granted_totals: Vec<i64>,
    used_totals: Vec<i64>,
    granted_at: Vec<Option<DateTime<Utc>>>,
    used_at: Vec<Option<DateTime<Utc>>>,
}

impl<'a> Columns<'a> {
    fn of(rows: &[&Written<'a>], at: DateTime<Utc>) -> Self {
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
