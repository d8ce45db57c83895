//! What users have, as a batch reads it.

use satchel_model::facts::Holding;
use satchel_model::ids::{ItemId, UserKey};

use crate::db::stored;
use crate::{StoreError, Tx};

/// The holdings of these (user, item) pairs. A pair of which there is none is left out.
///
/// # Errors
/// If Postgres is away.
pub async fn load(tx: &mut Tx<'_>, pairs: &[(UserKey, ItemId)]) -> Result<Vec<(UserKey, ItemId, Holding)>, StoreError> {
    let shards: Vec<i32> = pairs.iter().map(|(user, _)| stored::shard_number(user.shard)).collect();
    let uids: Vec<i64> = pairs.iter().map(|(user, _)| user.uid.get()).collect();
    let item_ids: Vec<&str> = pairs.iter().map(|(_, item_id)| item_id.as_str()).collect();
    let rows = sqlx::query!(
        "SELECT holdings.shard, holdings.uid, holdings.item_id, quantity, granted_total, used_total
         FROM UNNEST($1::integer[], $2::bigint[], $3::text[]) AS wanted (shard, uid, item_id)
         JOIN holdings USING (shard, uid, item_id)",
        &shards,
        &uids,
        &item_ids as &[&str],
    )
    .fetch_all(&mut *tx.0)
    .await?;
    rows.into_iter()
        .map(|row| {
            let holding =
                Holding { quantity: row.quantity, granted_total: row.granted_total, used_total: row.used_total };
            Ok((stored::user_key(row.shard, row.uid)?, stored::item_id(&row.item_id)?, holding))
        })
        .collect()
}
