//! How far a batch has brought its users, their holdings and its shards, and what happened by it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use satchel_model::fold::HoldingChange;
use satchel_model::ids::{Shard, UserId};
use satchel_model::ledger::Head;
use satchel_model::records::NewEvent;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::holdings::{self, Columns};
use crate::db::stored;
use crate::{Session, StoreError, Tx};

/// The constraint that gives a number to one event.
const ONE_EVENT: &str = "events_pkey";

/// How far ahead of the counter an event may be that is stepped over, in numbers: batches have fewer events.
const STEP_OVER: i64 = 100_000;

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
    pub holdings: &'a [HoldingChange<'a>],
    /// Where the ledgers of the users end. (Whether they are blocked stays as it is.)
    pub heads: &'a [(&'a UserId, Head)],
    /// Added to what their shards have decided, each shard's once.
    pub counts: &'a [ShardCounts],
    /// What happened, each shard's events in order.
    pub events: &'a [NewEvent],
    /// When all this changed.
    pub at: DateTime<Utc>,
}

impl Progress<'_> {
    /// Nothing, so far, at this moment.
    #[must_use]
    pub fn none(at: DateTime<Utc>) -> Self {
        Self { holdings: &[], heads: &[], counts: &[], events: &[], at }
    }
}

/// Writes it.
///
/// # Errors
/// If Postgres is away; [`StoreError::Changed`] if a holding is not as it was found; [`StoreError::Ahead`] if an event has
/// the number of one of these.
pub async fn write(tx: &mut Tx<'_>, progress: Progress<'_>) -> Result<(), StoreError> {
    let (new, known): (Vec<_>, Vec<_>) = progress.holdings.iter().partition(|row| row.found.is_none());
    move_on(tx, &known, progress).await?;
    if !new.is_empty() {
        holdings::insert(tx, &new, progress.at).await?;
    }
    Ok(())
}

/// One statement, since each costs a batch a round trip. (Upserts would first look for each holding and lock it, which
/// costs half as much again.)
async fn move_on(tx: &mut Tx<'_>, known: &[&HoldingChange<'_>], progress: Progress<'_>) -> Result<(), StoreError> {
    let Progress { heads, at, .. } = progress;
    let user_ids: Vec<&str> = heads.iter().map(|(user_id, _)| user_id.as_str()).collect();
    let versions: Vec<i64> = heads.iter().map(|(_, head)| head.version).collect();
    let hashes: Vec<&[u8]> = heads.iter().map(|(_, head)| &head.hash.0[..]).collect();
    let counted = Counters::of(progress);
    let told = Happened::of(progress.events, &counted);
    let held = Columns::of(known, at);
    let found: Vec<i64> = known.iter().filter_map(|row| row.found).collect();
    let updated = sqlx::query!(
        "WITH counted AS (
             UPDATE shard_counters
             SET applied = shard_counters.applied + decided.applied,
                 rejected = shard_counters.rejected + decided.rejected,
                 events = shard_counters.events + decided.events,
                 last_event_at = CASE WHEN decided.events > 0 THEN GREATEST(shard_counters.last_event_at, $15)
                                      ELSE shard_counters.last_event_at END
             FROM UNNEST($4::integer[], $5::bigint[], $6::bigint[], $16::bigint[])
                  AS decided (shard, applied, rejected, events)
             WHERE shard_counters.shard = decided.shard
             RETURNING shard_counters.shard, shard_counters.events - decided.events AS before, last_event_at
         ),
         -- In one row, so that each event finds its shard's by its place: a join would compare all with all.
         places AS (
             SELECT array_agg(shard ORDER BY shard) AS shards,
                    array_agg(before ORDER BY shard) AS befores,
                    array_agg(last_event_at ORDER BY shard) AS times
             FROM counted
         ),
         told AS (
             INSERT INTO events (shard, seq, user_id, name, version, at, job_id, id, occurred_at, data, reason, is_quiet)
             SELECT shards[place], befores[place] + ordinal, user_id, name, version, times[place], job_id, id,
                    occurred_at, data::json, reason, is_quiet
             FROM places
             CROSS JOIN UNNEST($17::integer[], $18::bigint[], $19::text[], $20::text[], $21::smallint[], $22::uuid[],
                               $23::text[], $24::timestamptz[], $25::text[], $26::text[], $27::boolean[])
                  AS happened (place, ordinal, user_id, name, version, job_id, id, occurred_at, data, reason, is_quiet)
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
        &counted.shards,
        &counted.applied,
        &counted.rejected,
        &held.user_ids as &[&str],
        &held.item_ids as &[&str],
        &held.quantities,
        &held.granted_totals,
        &held.used_totals,
        &held.granted_at as &[Option<DateTime<Utc>>],
        &held.used_at as &[Option<DateTime<Utc>>],
        &found,
        at,
        &counted.events,
        &told.places,
        &told.ordinals,
        &told.user_ids as &[&str],
        &told.names as &[&str],
        &told.versions,
        &told.job_ids as &[Option<Uuid>],
        &told.ids as &[Option<&str>],
        &told.occurred_at as &[Option<DateTime<Utc>>],
        &told.data as &[Option<&str>],
        &told.reasons as &[Option<&str>],
        &told.quiet as &[Option<bool>],
    )
    .execute(&mut *tx.0)
    .await;
    let updated = match updated {
        Err(sqlx::Error::Database(error)) if error.constraint() == Some(ONE_EVENT) => return Err(StoreError::Ahead),
        updated => updated?.rows_affected(),
    };
    if updated == known.len() as u64 { Ok(()) } else { Err(StoreError::Changed) }
}

/// Moves the counters of these shards on over events that somebody else added ahead of them, since no batch could add its
/// own: those shards, each with its counter. One that a batch is moving is left for another time. What is farther ahead than
/// [`STEP_OVER`] is in nobody's way.
///
/// # Errors
/// If Postgres is away.
pub async fn step_over(session: &mut Session, shards: &[Shard]) -> Result<Vec<(Shard, i64)>, StoreError> {
    let rows = sqlx::query!(
        "WITH behind AS (
             SELECT shard
             FROM shard_counters
             WHERE shard = ANY($1) AND EXISTS (
                 SELECT FROM events
                 WHERE events.shard = shard_counters.shard AND seq > shard_counters.events
                   AND seq <= shard_counters.events + $2
             )
             ORDER BY shard
             FOR NO KEY UPDATE SKIP LOCKED
         )
         UPDATE shard_counters
         SET events = (
             SELECT GREATEST(max(seq), shard_counters.events)
             FROM events
             WHERE events.shard = shard_counters.shard AND seq <= shard_counters.events + $2
         )
         FROM behind
         WHERE shard_counters.shard = behind.shard
         RETURNING shard_counters.shard, shard_counters.events",
        &stored::shard_numbers(shards),
        STEP_OVER,
    );
    let rows = rows.fetch_all(session.connection().await?).await?;
    rows.into_iter().map(|row| Ok((stored::shard(row.shard)?, row.events))).collect()
}

/// What is added to each shard's counters, by column, in order of the shards: all batches lock them in that order.
struct Counters {
    shards: Vec<i32>,
    applied: Vec<i64>,
    rejected: Vec<i64>,
    events: Vec<i64>,
}

impl Counters {
    fn of(progress: Progress<'_>) -> Self {
        let mut by_shard: BTreeMap<Shard, (i64, i64, i64)> = BTreeMap::new();
        for counts in progress.counts {
            let (applied, rejected, _) = by_shard.entry(counts.shard).or_default();
            *applied += counts.applied;
            *rejected += counts.rejected;
        }
        for event in progress.events {
            by_shard.entry(event.shard).or_default().2 += 1;
        }
        Self {
            shards: by_shard.keys().map(|shard| shard.get().into()).collect(),
            applied: by_shard.values().map(|(applied, ..)| *applied).collect(),
            rejected: by_shard.values().map(|(_, rejected, _)| *rejected).collect(),
            events: by_shard.values().map(|(.., events)| *events).collect(),
        }
    }

    /// Where the shard stands among them, counted from 1, as Postgres counts.
    fn place(&self, shard: Shard) -> i32 {
        let before = self.shards.partition_point(|counted| *counted < i32::from(shard.get()));
        i32::try_from(before).unwrap_or(i32::MAX).saturating_add(1)
    }
}

/// Events by column.
struct Happened<'a> {
    places: Vec<i32>,
    /// Each event's number among those of its shard.
    ordinals: Vec<i64>,
    user_ids: Vec<&'a str>,
    names: Vec<&'a str>,
    versions: Vec<i16>,
    job_ids: Vec<Option<Uuid>>,
    ids: Vec<Option<&'a str>>,
    occurred_at: Vec<Option<DateTime<Utc>>>,
    data: Vec<Option<&'a str>>,
    reasons: Vec<Option<&'a str>>,
    quiet: Vec<Option<bool>>,
}

impl<'a> Happened<'a> {
    fn of(events: &'a [NewEvent], counters: &Counters) -> Self {
        let mut seen = vec![0_i64; counters.shards.len()];
        let places: Vec<i32> = events.iter().map(|event| counters.place(event.shard)).collect();
        let ordinal = |place: &i32| {
            let index = usize::try_from(*place - 1).unwrap_or(usize::MAX);
            seen.get_mut(index).map_or(0, |seen| {
                *seen += 1;
                *seen
            })
        };
        Self {
            ordinals: places.iter().map(ordinal).collect(),
            places,
            user_ids: events.iter().map(|event| event.user_id.as_str()).collect(),
            names: events.iter().map(|event| &*event.name).collect(),
            versions: events.iter().map(|event| event.version).collect(),
            job_ids: events.iter().map(|event| event.job_id.map(|job_id| job_id.as_uuid())).collect(),
            ids: events.iter().map(|event| event.id.as_deref()).collect(),
            occurred_at: events.iter().map(|event| event.occurred_at).collect(),
            data: events.iter().map(|event| event.data.as_deref().map(RawValue::get)).collect(),
            reasons: events.iter().map(|event| event.reason.as_deref()).collect(),
            quiet: events.iter().map(|event| event.is_quiet.then_some(true)).collect(),
        }
    }
}
