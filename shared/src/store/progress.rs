//! How far a batch has brought its users, their holdings and its shards.

use chrono::{DateTime, Utc};

use super::inventory::{self, Columns, Written};
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

/// What a batch leaves otherwise than it was.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Holdings, each pair of user and item at most once.
    pub holdings: &'a [Written<'a>],
    /// Where the ledgers of the users end. (Whether they are held stays as it is.)
    pub heads: &'a [(&'a UserId, Head)],
    /// Added, in order of their shards, to what these have decided.
    pub counts: &'a [ShardCounts],
    /// When all this changed.
    pub at: DateTime<Utc>,
}

/// Writes it.
///
/// # Errors
/// If Postgres is away; [`StoreError::Changed`] if a holding is not as it was found.
pub async fn write(tx: &mut Tx<'_>, progress: Progress<'_>) -> Result<(), StoreError> {
    let (new, known): (Vec<_>, Vec<_>) = progress.holdings.iter().partition(|row| row.found.is_none());
    move_on(tx, &known, progress).await?;
    if !new.is_empty() {
        inventory::insert(tx, &new, progress.at).await?;
    }
    Ok(())
}

/// One statement, since each costs a batch a round trip. (Upserts would first look for each holding and lock it, which
/// costs half as much again.)
async fn move_on(tx: &mut Tx<'_>, known: &[&Written<'_>], progress: Progress<'_>) -> Result<(), StoreError> {
    let Progress { heads, counts, at, .. } = progress;
    let user_ids: Vec<&str> = heads.iter().map(|(user_id, _)| user_id.as_str()).collect();
    let versions: Vec<i64> = heads.iter().map(|(_, head)| head.version).collect();
    let hashes: Vec<&[u8]> = heads.iter().map(|(_, head)| &head.hash.0[..]).collect();
    let shards: Vec<_> = counts.iter().map(|counts| i32::from(counts.shard.get())).collect();
    let applied: Vec<_> = counts.iter().map(|counts| counts.applied).collect();
    let rejected: Vec<_> = counts.iter().map(|counts| counts.rejected).collect();
    let held = Columns::of(known, at);
    let found: Vec<i64> = known.iter().filter_map(|row| row.found).collect();
    let updated = sqlx::query!(
        "WITH counted AS (
             UPDATE shard_counters
             SET applied = shard_counters.applied + decided.applied,
                 rejected = shard_counters.rejected + decided.rejected
             FROM UNNEST($4::integer[], $5::bigint[], $6::bigint[]) AS decided (shard, applied, rejected)
             WHERE shard_counters.shard = decided.shard
         ),
         moved AS (
             UPDATE users
             SET version = moved.version, head = moved.head
             FROM UNNEST($1::text[], $2::bigint[], $3::bytea[]) AS moved (user_id, version, head)
             WHERE users.user_id = moved.user_id
         )
         UPDATE inventory
         SET quantity = held.quantity,
             granted_total = held.granted_total,
             used_total = held.used_total,
             last_granted_at = COALESCE(held.last_granted_at, inventory.last_granted_at),
             last_used_at = COALESCE(held.last_used_at, inventory.last_used_at),
             updated_at = CASE WHEN inventory.quantity = held.quantity THEN inventory.updated_at ELSE $15 END
         FROM UNNEST($7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[], $12::timestamptz[],
                     $13::timestamptz[], $14::bigint[])
              AS held (user_id, item_id, quantity, granted_total, used_total, last_granted_at, last_used_at, found)
         WHERE inventory.user_id = held.user_id AND inventory.item_id = held.item_id
           AND inventory.quantity = held.found",
        &user_ids as &[&str],
        &versions,
        &hashes as &[&[u8]],
        &shards,
        &applied,
        &rejected,
        &held.user_ids as &[&str],
        &held.item_ids as &[&str],
        &held.quantities,
        &held.granted_totals,
        &held.used_totals,
        &held.granted_at as &[Option<DateTime<Utc>>],
        &held.used_at as &[Option<DateTime<Utc>>],
        &found,
        at,
    )
    .execute(&mut *tx.0)
    .await?
    .rows_affected();
    if updated == known.len() as u64 { Ok(()) } else { Err(StoreError::Changed) }
}
