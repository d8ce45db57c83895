//! How far a batch has brought its users and shards.

use super::users::Head;
use super::{StoreError, Tx};
use crate::domain::{Shard, UserId};

/// How many jobs of a shard a batch has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardCounts {
    /// The shard.
    pub shard: Shard,
    /// Jobs applied.
    pub applied: i64,
    /// Jobs rejected.
    pub rejected: i64,
}

/// Moves the users' heads to where the batch has brought them (whether they are held stays as it is), and adds `counts`,
/// in order of their shards, to what their shards have decided. One statement, since each costs a batch a round trip.
///
/// # Errors
/// If Postgres is away.
pub async fn note(tx: &mut Tx<'_>, heads: &[(&UserId, Head)], counts: &[ShardCounts]) -> Result<(), StoreError> {
    let user_ids: Vec<&str> = heads.iter().map(|(user_id, _)| user_id.as_str()).collect();
    let versions: Vec<i64> = heads.iter().map(|(_, head)| head.version).collect();
    let hashes: Vec<&[u8]> = heads.iter().map(|(_, head)| &head.hash.0[..]).collect();
    let shards: Vec<_> = counts.iter().map(|counts| i32::from(counts.shard.get())).collect();
    let applied: Vec<_> = counts.iter().map(|counts| counts.applied).collect();
    let rejected: Vec<_> = counts.iter().map(|counts| counts.rejected).collect();
    sqlx::query!(
        "WITH counted AS (
             UPDATE shard_counters
             SET applied = shard_counters.applied + decided.applied,
                 rejected = shard_counters.rejected + decided.rejected
             FROM UNNEST($4::integer[], $5::bigint[], $6::bigint[]) AS decided (shard, applied, rejected)
             WHERE shard_counters.shard = decided.shard
         )
         UPDATE users
         SET version = moved.version, head = moved.head
         FROM UNNEST($1::text[], $2::bigint[], $3::bytea[]) AS moved (user_id, version, head)
         WHERE users.user_id = moved.user_id",
        &user_ids as &[&str],
        &versions,
        &hashes as &[&[u8]],
        &shards,
        &applied,
        &rejected,
    )
    .execute(&mut *tx.0)
    .await?;
    Ok(())
}
