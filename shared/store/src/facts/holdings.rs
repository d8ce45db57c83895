//! What users have, as a batch reads it.

use satchel_model::facts::Holding;
use satchel_model::ids::{ItemId, UserId};

use crate::db::stored;
use crate::{StoreError, Tx};

/// The holdings of these (user, item) pairs. A pair of which there is none is left out.
///
/// # Errors
/// If Postgres is away.
pub async fn load(tx: &mut Tx<'_>, pairs: &[(&UserId, ItemId)]) -> Result<Vec<(UserId, ItemId, Holding)>, StoreError> {
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
    rows.into_iter()
        .map(|row| {
            let holding =
                Holding { quantity: row.quantity, granted_total: row.granted_total, used_total: row.used_total };
            Ok((stored::user_id(&row.user_id)?, stored::item_id(&row.item_id)?, holding))
        })
        .collect()
}
