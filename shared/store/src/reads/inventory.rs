//! Reading inventories, those of many requests at once.

use chrono::{DateTime, Utc};
use satchel_model::ids::{ItemId, UserId};
use serde::Serialize;

use crate::db::stored;
use crate::{Session, StoreError};

/// Which page of whose inventory.
#[derive(Debug, Clone)]
pub struct PageOf {
    /// Whose.
    pub user_id: UserId,
    /// Only items whose ids come after this one.
    pub after: Option<ItemId>,
    /// The most items.
    pub limit: u16,
}

/// A page of a user's inventory, all of one moment.
#[derive(Debug, Clone, Default)]
pub struct InventoryPage {
    /// How many ledger entries the user has.
    pub version: i64,
    /// Items held, by id; none with quantity zero.
    pub items: Vec<InventoryItem>,
    /// Whether more follow.
    pub more: bool,
}

/// An item that a user holds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryItem {
    /// The item.
    pub item_id: ItemId,
    /// Pieces.
    pub quantity: i64,
    /// When that last changed.
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub updated_at: DateTime<Utc>,
}

/// A user, with one of its items or, on a page without any, none.
struct Row {
    /// Which of the pages, counted from 1.
    nth: i64,
    version: i64,
    item_id: Option<String>,
    quantity: Option<i64>,
    updated_at: Option<DateTime<Utc>>,
}

/// The pages, all of one moment, in the order in which they are wanted; a user may be among them more than once. A row
/// that cannot be read spoils its own page only.
///
/// # Errors
/// If Postgres is away.
pub async fn pages(
    session: &mut Session,
    wanted: &[PageOf],
) -> Result<Vec<Result<InventoryPage, StoreError>>, StoreError> {
    let user_ids: Vec<&str> = wanted.iter().map(|page| page.user_id.as_str()).collect();
    let after: Vec<&str> = wanted.iter().map(|page| page.after.as_ref().map_or("", ItemId::as_str)).collect();
    // One more than asked for tells whether there are more.
    let most: Vec<i64> = wanted.iter().map(|page| i64::from(page.limit) + 1).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT wanted.nth AS "nth!", users.version, held.item_id AS "item_id?", held.quantity AS "quantity?",
                  held.updated_at AS "updated_at?"
           FROM UNNEST($1::text[], $2::text[], $3::bigint[])
                WITH ORDINALITY AS wanted (user_id, after, most, nth)
           JOIN user_names USING (user_id)
           JOIN users ON users.shard = user_names.shard AND users.uid = user_names.uid
           LEFT JOIN LATERAL (
               SELECT item_id, quantity, updated_at
               FROM holdings
               WHERE holdings.shard = users.shard AND holdings.uid = users.uid AND item_id > wanted.after AND quantity > 0
               ORDER BY item_id
               LIMIT wanted.most
           ) AS held ON true
           ORDER BY wanted.nth, held.item_id"#,
        &user_ids as &[&str],
        &after as &[&str],
        &most,
    )
    .fetch_all(session.connection().await?)
    .await?;
    // A user without a row has nothing yet.
    let mut pages: Vec<_> = wanted.iter().map(|_| Ok(InventoryPage::default())).collect();
    for rows in rows.chunk_by(|row, next| row.nth == next.nth) {
        let index = rows.first().and_then(|row| usize::try_from(row.nth - 1).ok());
        if let Some((page, wanted)) = index.and_then(|index| Some((pages.get_mut(index)?, wanted.get(index)?))) {
            *page = read(rows, wanted.limit);
        }
    }
    Ok(pages)
}

/// The page that these rows are, of which there are one too many if more follow.
fn read(rows: &[Row], limit: u16) -> Result<InventoryPage, StoreError> {
    let version = rows.first().map_or(0, |row| row.version);
    let mut items = Vec::with_capacity(rows.len());
    for Row { item_id, quantity, updated_at, .. } in rows {
        if let (Some(item_id), Some(quantity), Some(updated_at)) = (item_id, *quantity, *updated_at) {
            items.push(InventoryItem { item_id: stored::item_id(item_id)?, quantity, updated_at });
        }
    }
    let more = items.len() > usize::from(limit);
    items.truncate(limit.into());
    Ok(InventoryPage { version, items, more })
}
