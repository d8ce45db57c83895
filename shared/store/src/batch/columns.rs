//! What a batch writes, by column, as Postgres takes it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use satchel_model::fold::HoldingChange;
use satchel_model::ids::{Shard, UserKey};
use satchel_model::ledger::{Head, Mac, Record};
use satchel_model::records::NewEvent;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::outcome::{Progress, ShardCounts};
use crate::db::stored;

/// A query whose last arguments are all the columns, in the order in which the functions of `migrations/0011_batches.sql` take them.
macro_rules! query_with {
    ([$columns:ident] $sql:tt $(, $($first:tt)*)?) => {
        sqlx::query!(
            $sql,
            $($($first)*)?
            $columns.at,
            &$columns.records.shards,
            &$columns.records.uids,
            &$columns.records.seqs,
            &$columns.records.job_ids as &[Option<Uuid>],
            &$columns.records.counts,
            &$columns.records.rejected,
            &$columns.records.bodies as &[&str],
            &$columns.records.seals as &[&[u8]],
            &$columns.heads.shards,
            &$columns.heads.uids,
            &$columns.heads.versions,
            &$columns.heads.hashes as &[&[u8]],
            &$columns.heads.decided_at as &[Option<DateTime<Utc>>],
            &$columns.heads.macs as &[&[u8]],
            &$columns.holdings.shards,
            &$columns.holdings.uids,
            &$columns.holdings.item_ids as &[&str],
            &$columns.holdings.quantities,
            &$columns.holdings.granted_totals,
            &$columns.holdings.used_totals,
            &$columns.holdings.granted_at as &[Option<DateTime<Utc>>],
            &$columns.holdings.used_at as &[Option<DateTime<Utc>>],
            &$columns.holdings.found as &[Option<i64>],
            $columns.holdings.known,
            &$columns.counters.shards,
            &$columns.counters.applied,
            &$columns.counters.rejected,
            &$columns.counters.events,
            &$columns.events.places,
            &$columns.events.ordinals,
            &$columns.events.user_ids as &[&str],
            &$columns.events.names as &[&str],
            &$columns.events.versions,
            &$columns.events.job_ids as &[Option<Uuid>],
            &$columns.events.ids as &[Option<&str>],
            &$columns.events.occurred_at as &[Option<DateTime<Utc>>],
            &$columns.events.data as &[Option<&str>],
            &$columns.events.quiet as &[Option<bool>],
        )
    };
}
pub(super) use query_with;

/// See the module.
pub(super) struct Columns<'a> {
    pub(super) at: DateTime<Utc>,
    pub(super) records: Records<'a>,
    pub(super) heads: Heads<'a>,
    pub(super) holdings: Holdings<'a>,
    pub(super) counters: Counters,
    pub(super) events: Happened<'a>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(progress: Progress<'a>) -> Self {
        let counters = Counters::of(progress.counts, progress.events);
        Self {
            at: progress.at,
            records: Records::of(progress.records),
            heads: Heads::of(progress.heads),
            holdings: Holdings::of(progress.holdings, progress.at),
            events: Happened::of(progress.events, &counters),
            counters,
        }
    }
}

/// Decided jobs.
pub(super) struct Records<'a> {
    pub(super) shards: Vec<i16>,
    pub(super) uids: Vec<i64>,
    pub(super) seqs: Vec<i64>,
    pub(super) job_ids: Vec<Option<Uuid>>,
    pub(super) counts: Vec<i16>,
    pub(super) rejected: Vec<bool>,
    pub(super) bodies: Vec<&'a str>,
    pub(super) seals: Vec<&'a [u8]>,
}

impl<'a> Records<'a> {
    fn of(records: &'a [Record]) -> Self {
        Self {
            shards: records.iter().map(|record| stored::shard_number(record.user.shard)).collect(),
            uids: records.iter().map(|record| record.user.uid.get()).collect(),
            seqs: records.iter().map(|record| record.seq).collect(),
            job_ids: records.iter().map(|record| record.job_id.map(|id| id.as_uuid())).collect(),
            counts: records.iter().map(|record| record.count).collect(),
            rejected: records.iter().map(|record| record.is_rejected).collect(),
            bodies: records.iter().map(|record| record.body.as_str()).collect(),
            seals: records.iter().map(|record| record.seal.as_bytes()).collect(),
        }
    }
}

/// Holdings.
pub(super) struct Holdings<'a> {
    pub(super) shards: Vec<i16>,
    pub(super) uids: Vec<i64>,
    pub(super) item_ids: Vec<&'a str>,
    pub(super) quantities: Vec<i64>,
    pub(super) granted_totals: Vec<i64>,
    pub(super) used_totals: Vec<i64>,
    pub(super) granted_at: Vec<Option<DateTime<Utc>>>,
    pub(super) used_at: Vec<Option<DateTime<Utc>>>,
    pub(super) found: Vec<Option<i64>>,
    /// How many of them were there before.
    pub(super) known: i64,
}

impl<'a> Holdings<'a> {
    fn of(rows: &'a [HoldingChange<'a>], at: DateTime<Utc>) -> Self {
        Self {
            shards: rows.iter().map(|row| stored::shard_number(row.user.shard)).collect(),
            uids: rows.iter().map(|row| row.user.uid.get()).collect(),
            item_ids: rows.iter().map(|row| row.item_id.as_str()).collect(),
            quantities: rows.iter().map(|row| row.holding.quantity).collect(),
            granted_totals: rows.iter().map(|row| row.holding.granted_total).collect(),
            used_totals: rows.iter().map(|row| row.holding.used_total).collect(),
            granted_at: rows.iter().map(|row| row.granted.then_some(at)).collect(),
            used_at: rows.iter().map(|row| row.used.then_some(at)).collect(),
            found: rows.iter().map(|row| row.found).collect(),
            known: i64::try_from(rows.iter().filter(|row| row.found.is_some()).count()).unwrap_or(i64::MAX),
        }
    }
}

/// Where ledgers end.
pub(super) struct Heads<'a> {
    pub(super) shards: Vec<i16>,
    pub(super) uids: Vec<i64>,
    pub(super) versions: Vec<i64>,
    pub(super) hashes: Vec<&'a [u8]>,
    pub(super) decided_at: Vec<Option<DateTime<Utc>>>,
    pub(super) macs: Vec<&'a [u8]>,
}

impl<'a> Heads<'a> {
    fn of(heads: &'a [(UserKey, Head, Mac)]) -> Self {
        Self {
            shards: heads.iter().map(|(user, ..)| stored::shard_number(user.shard)).collect(),
            uids: heads.iter().map(|(user, ..)| user.uid.get()).collect(),
            versions: heads.iter().map(|(_, head, _)| head.version).collect(),
            hashes: heads.iter().map(|(_, head, _)| &head.hash.0[..]).collect(),
            decided_at: heads.iter().map(|(_, head, _)| head.decided_at).collect(),
            macs: heads.iter().map(|(.., mac)| mac.as_bytes()).collect(),
        }
    }
}

/// What is added to each shard's counters, in order of the shards: all batches lock them in that order.
pub(super) struct Counters {
    pub(super) shards: Vec<i32>,
    pub(super) applied: Vec<i64>,
    pub(super) rejected: Vec<i64>,
    pub(super) events: Vec<i64>,
}

impl Counters {
    fn of(counts: &[ShardCounts], events: &[NewEvent]) -> Self {
        let mut by_shard: BTreeMap<Shard, (i64, i64, i64)> = BTreeMap::new();
        for counts in counts {
            let (applied, rejected, _) = by_shard.entry(counts.shard).or_default();
            *applied += counts.applied;
            *rejected += counts.rejected;
        }
        for event in events {
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

/// Events.
pub(super) struct Happened<'a> {
    pub(super) places: Vec<i32>,
    /// Each event's number among those of its shard.
    pub(super) ordinals: Vec<i64>,
    pub(super) user_ids: Vec<&'a str>,
    pub(super) names: Vec<&'a str>,
    pub(super) versions: Vec<i16>,
    pub(super) job_ids: Vec<Option<Uuid>>,
    pub(super) ids: Vec<Option<&'a str>>,
    pub(super) occurred_at: Vec<Option<DateTime<Utc>>>,
    pub(super) data: Vec<Option<&'a str>>,
    pub(super) quiet: Vec<Option<bool>>,
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
            quiet: events.iter().map(|event| event.is_quiet.then_some(true)).collect(),
        }
    }
}
