//! The row per user that a batch locks: how long its ledger is and where its chain ends.

use std::collections::HashMap;

use satchel_model::ids::UserId;
use satchel_model::ledger::{ChainHash, Head};

use crate::db::stored;
use crate::{StoreError, Tx};

/// Locks the users' rows until the transaction ends, creating missing ones. `user_ids` must be sorted and
/// distinct: all transactions take the locks in the same order, so that no two can wait for each other.
///
/// # Errors
/// If Postgres is away, or another session keeps a row beyond the lock timeout.
pub async fn lock(tx: &mut Tx<'_>, user_ids: &[&UserId]) -> Result<HashMap<UserId, Head>, StoreError> {
    let mut heads = lock_existing(tx, user_ids).await?;
    let missing: Vec<&str> =
        user_ids.iter().filter(|user_id| !heads.contains_key(**user_id)).map(|user_id| user_id.as_str()).collect();
    if !missing.is_empty() {
        sqlx::query!(
            r#"INSERT INTO users (user_id, version, head)
             SELECT user_id, 0, $2
             FROM UNNEST($1::text[]) AS missing (user_id)
             ORDER BY user_id COLLATE "C"
             ON CONFLICT DO NOTHING"#,
            &missing as &[&str],
            &ChainHash::GENESIS.0[..],
        )
        .execute(&mut *tx.0)
        .await?;
        // Another transaction may have made some of them: only a look under the lock tells.
        heads = lock_existing(tx, user_ids).await?;
    }
    Ok(heads)
}

async fn lock_existing(tx: &mut Tx<'_>, user_ids: &[&UserId]) -> Result<HashMap<UserId, Head>, StoreError> {
    let user_ids: Vec<&str> = user_ids.iter().map(|user_id| user_id.as_str()).collect();
    let rows = sqlx::query!(
        "SELECT user_id, version, head, is_blocked
         FROM users
         WHERE user_id = ANY($1::text[])
         ORDER BY user_id
         FOR NO KEY UPDATE",
        &user_ids as &[&str],
    )
    .fetch_all(&mut *tx.0)
    .await?;
    rows.into_iter()
        .map(|row| {
            let head = Head { version: row.version, hash: stored::chain_hash(&row.head)?, is_blocked: row.is_blocked };
            Ok((stored::user_id(&row.user_id)?, head))
        })
        .collect()
}
