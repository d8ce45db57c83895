//! What users hold.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Pool, StoreError, Tx, stored};
use crate::domain::{Holding, Holdings, ItemId, UserId};

/// A page of a user's inventory, all of one moment.
#[derive(Debug, Clone)]
pub struct InventoryPage {
    /// How many ledger entries the user has.
    pub version: i64,
    /// Items held, by id; none with quantity zero.
    pub items: Vec<HeldItem>,
    /// Whether more follow.
    pub more: bool,
}

/// An item that a user holds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldItem {
    /// The item.
    pub item_id: ItemId,
    /// Pieces.
    pub quantity: i64,
    /// When that last changed.
    pub updated_at: DateTime<Utc>,
}

/// A page of at most `limit` items whose ids come after `after`.
///
/// # Errors
/// If Postgres is away.
pub async fn page(
    pool: &Pool,
    user_id: &UserId,
    after: Option<&ItemId>,
    limit: u16,
) -> Result<InventoryPage, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT users.version, held.item_id AS "item_id?", held.quantity AS "quantity?",
                  held.updated_at AS "updated_at?"
           FROM users
           LEFT JOIN LATERAL (
               SELECT item_id, quantity, updated_at
               FROM inventory
               WHERE inventory.user_id = users.user_id AND item_id > $2 AND quantity > 0
               ORDER BY item_id
               LIMIT $3
           ) AS held ON true
           WHERE users.user_id = $1
           ORDER BY held.item_id"#,
        user_id.as_str(),
        after.map_or("", ItemId::as_str),
        // One more than asked for tells whether there are more.
        i64::from(limit) + 1,
    )
    .fetch_all(&pool.0)
    .await?;
    let version = rows.first().map_or(0, |row| row.version);
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        if let (Some(item_id), Some(quantity), Some(updated_at)) = (row.item_id, row.quantity, row.updated_at) {
            items.push(HeldItem { item_id: stored::item_id(&item_id)?, quantity, updated_at });
        }
    }
    let more = items.len() > usize::from(limit);
    items.truncate(limit.into());
    Ok(InventoryPage { version, items, more })
}

/// Loads the holdings of these (user, item) pairs. A pair that is not held is left out.
///
/// # Errors
/// If Postgres is away.
pub async fn load(tx: &mut Tx<'_>, pairs: &[(&UserId, &ItemId)]) -> Result<HashMap<UserId, Holdings>, StoreError> {
    let user_ids: Vec<&str> = pairs.iter().map(|(user_id, _)| user_id.as_str()).collect();
    let item_ids: Vec<&str> = pairs.iter().map(|(_, item_id)| item_id.as_str()).collect();
    let rows = sqlx::query!(
        "SELECT inventory.user_id, inventory.item_id, quantity, granted_total, used_total
         FROM UNNEST($1::text[], $2::text[]) AS wanted (user_id, item_id)
         JOIN inventory USING (user_id, item_id)",
        &user_ids as &[&str],
        &item_ids as &[&str],
    )
    .fetch_all(&mut *tx.0)
    .await?;
    let mut users: HashMap<UserId, Holdings> = HashMap::new();
    for row in rows {
        let holding = Holding { quantity: row.quantity, granted_total: row.granted_total, used_total: row.used_total };
        users.entry(stored::user_id(&row.user_id)?).or_default().insert(stored::item_id(&row.item_id)?, holding);
    }
    Ok(users)
}

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

/// Adds holdings that were not there.
///
/// # Errors
/// If Postgres is away, or one is there.
pub(super) async fn insert(tx: &mut Tx<'_>, rows: &[&Written<'_>], at: DateTime<Utc>) -> Result<(), StoreError> {
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
pub(super) struct Columns<'a> {
    pub(super) user_ids: Vec<&'a str>,
    pub(super) item_ids: Vec<&'a str>,
    pub(super) quantities: Vec<i64>,
    pub(super) granted_totals: Vec<i64>,
    pub(super) used_totals: Vec<i64>,
    pub(super) granted_at: Vec<Option<DateTime<Utc>>>,
    pub(super) used_at: Vec<Option<DateTime<Utc>>>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(rows: &[&Written<'a>], at: DateTime<Utc>) -> Self {
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
