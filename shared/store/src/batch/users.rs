//! The row per user that a batch locks: how long its ledger is and where its chain ends.

use std::collections::HashMap;

use satchel_model::ids::{Shard, UserId, UserKey};
use satchel_model::ledger::Head;

use crate::db::stored;
use crate::{StoreError, Tx};

/// A user as a batch finds it.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where its rows are.
    pub key: UserKey,
    /// Where its ledger ends.
    pub head: Head,
    /// What proves that; `None` for whom nothing was ever signed.
    pub mac: Option<Vec<u8>>,
}

/// Locks the users' rows until the transaction ends, creating missing ones, in order of shard and number: all transactions take the
/// locks in that order, so that no two can wait for each other. Each user is named once.
///
/// # Errors
/// If Postgres is away, or another session keeps a row beyond the lock timeout.
pub async fn lock(tx: &mut Tx<'_>, places: &[(&UserId, Shard)]) -> Result<HashMap<UserId, Found>, StoreError> {
    let mut found = lock_existing(tx, places).await?;
    let missing = || places.iter().filter(|(user_id, _)| !found.contains_key(*user_id));
    let user_ids: Vec<&str> = missing().map(|(user_id, _)| user_id.as_str()).collect();
    let shards: Vec<i32> = missing().map(|(_, shard)| stored::shard_number(*shard)).collect();
    if !user_ids.is_empty() {
        sqlx::query!(
            r#"WITH made AS (
                   INSERT INTO user_names (user_id, shard)
                   SELECT user_id, shard
                   FROM UNNEST($1::text[], $2::integer[]) AS missing (user_id, shard)
                   ORDER BY user_id COLLATE "C"
                   ON CONFLICT DO NOTHING
                   RETURNING shard, uid
               )
               INSERT INTO users (shard, uid)
               SELECT shard, uid
               FROM made"#,
            &user_ids as &[&str],
            &shards,
        )
        .execute(&mut *tx.0)
        .await?;
        // Another transaction may have made some of them: only a look under the lock tells.
        found = lock_existing(tx, places).await?;
    }
    Ok(found)
}

/// Where a user's rows are, who gets them if there were none.
///
/// # Errors
/// If Postgres is away.
pub async fn key(tx: &mut Tx<'_>, user_id: &UserId, shard: Shard) -> Result<UserKey, StoreError> {
    let shard = stored::shard_number(shard);
    let uid = sqlx::query_scalar!(r#"SELECT uid_of($1, $2) AS "uid!""#, user_id.as_str(), shard);
    Ok(stored::user_key(shard, uid.fetch_one(&mut *tx.0).await?)?)
}

async fn lock_existing(tx: &mut Tx<'_>, places: &[(&UserId, Shard)]) -> Result<HashMap<UserId, Found>, StoreError> {
    let user_ids: Vec<&str> = places.iter().map(|(user_id, _)| user_id.as_str()).collect();
    let shards: Vec<i32> = places.iter().map(|(_, shard)| stored::shard_number(*shard)).collect();
    let rows = sqlx::query!(
        "SELECT user_names.user_id, users.shard, users.uid, version, hash, decided_at, is_blocked, mac
         FROM UNNEST($1::text[], $2::integer[]) AS wanted (user_id, shard)
         JOIN user_names USING (user_id, shard)
         JOIN users ON users.shard = user_names.shard AND users.uid = user_names.uid
         ORDER BY users.shard, users.uid
         FOR NO KEY UPDATE OF users",
        &user_ids as &[&str],
        &shards,
    )
    .fetch_all(&mut *tx.0)
    .await?;
    rows.into_iter()
        .map(|row| {
            let hash = stored::chain_hash(&row.hash)?;
            let head = Head { version: row.version, hash, decided_at: row.decided_at, is_blocked: row.is_blocked };
            let key = stored::user_key(row.shard, row.uid)?;
            Ok((stored::user_id(&row.user_id)?, Found { key, head, mac: row.mac }))
        })
        .collect()
}
