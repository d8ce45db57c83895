//! What a batch writes, by column, as Postgres takes it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use satchel_model::fold::HoldingChange;
use satchel_model::ids::UserKey;
use satchel_model::ledger::{Head, Mac, Record};
use uuid::Uuid;

use super::happened::{Counters, Happened};
use super::outcome::Progress;
use crate::db::stored;

/// A query whose last arguments are all the columns, in the order in which `apply_batch` takes them (`migrations/0011_batches.sql`).
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
            &$columns.records.claimed_jobs,
            &$columns.records.claimed_shards,
            &$columns.heads.shards,
            &$columns.heads.uids,
            &$columns.heads.found_versions as &[Option<i64>],
            &$columns.heads.found_hashes as &[Option<&[u8]>],
            &$columns.heads.versions as &[Option<i64>],
            &$columns.heads.hashes as &[Option<&[u8]>],
            &$columns.heads.decided_at as &[Option<DateTime<Utc>>],
            &$columns.heads.macs as &[Option<&[u8]>],
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
            &$columns.events.firsts,
            &$columns.events.kinds as &[String],
            &$columns.counters.root_bytes() as &[Option<&[u8]>],
            &$columns.events.uids,
            &$columns.events.job_ids as &[Option<Uuid>],
            &$columns.events.kind_of,
            &$columns.events.details as &[Option<String>],
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
    pub(super) events: Happened,
}

impl<'a> Columns<'a> {
    /// `found` is where the ledgers of all its users ended, if that is to be compared.
    pub(super) fn of(progress: Progress<'a>, found: &'a [(UserKey, Head)]) -> Self {
        let counters = Counters::of(progress.counts, progress.events, progress.records);
        Self {
            at: progress.at,
            records: Records::of(progress.records),
            heads: Heads::of(progress.heads, found),
            holdings: Holdings::of(progress.holdings, progress.at),
            events: Happened::of(progress.events, &counters.shards),
            counters,
        }
    }
}

/// Decided jobs.
pub(super) struct Records<'a> {
    pub(super) shards: Vec<i32>,
    pub(super) uids: Vec<i64>,
    pub(super) seqs: Vec<i64>,
    pub(super) job_ids: Vec<Option<Uuid>>,
    pub(super) counts: Vec<i16>,
    pub(super) rejected: Vec<bool>,
    pub(super) bodies: Vec<&'a str>,
    pub(super) seals: Vec<&'a [u8]>,
    /// Jobs whose ids do not lead to their shard.
    pub(super) claimed_jobs: Vec<Uuid>,
    pub(super) claimed_shards: Vec<i32>,
}

impl<'a> Records<'a> {
    fn of(records: &'a [Record]) -> Self {
        let claim = |record: &Record| {
            let job_id = record.job_id.filter(|job_id| !job_id.has_place())?;
            Some((job_id.as_uuid(), stored::shard_number(record.user.shard)))
        };
        let (claimed_jobs, claimed_shards) = records.iter().filter_map(claim).unzip();
        Self {
            shards: records.iter().map(|record| stored::shard_number(record.user.shard)).collect(),
            uids: records.iter().map(|record| record.user.uid.get()).collect(),
            seqs: records.iter().map(|record| record.seq).collect(),
            job_ids: records.iter().map(|record| record.job_id.map(|id| id.as_uuid())).collect(),
            counts: records.iter().map(|record| record.count).collect(),
            rejected: records.iter().map(|record| record.is_rejected).collect(),
            bodies: records.iter().map(|record| record.body.as_str()).collect(),
            seals: records.iter().map(|record| record.seal.as_bytes()).collect(),
            claimed_jobs,
            claimed_shards,
        }
    }
}

/// Holdings.
pub(super) struct Holdings<'a> {
    pub(super) shards: Vec<i32>,
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

/// Where ledgers end, in order of shard and number: all batches lock them in that order.
pub(super) struct Heads<'a> {
    pub(super) shards: Vec<i32>,
    pub(super) uids: Vec<i64>,
    /// Where they ended before; `None` where that is not compared.
    pub(super) found_versions: Vec<Option<i64>>,
    pub(super) found_hashes: Vec<Option<&'a [u8]>>,
    /// `None` where nothing changes.
    pub(super) versions: Vec<Option<i64>>,
    pub(super) hashes: Vec<Option<&'a [u8]>>,
    pub(super) decided_at: Vec<Option<DateTime<Utc>>>,
    pub(super) macs: Vec<Option<&'a [u8]>>,
}

/// One user's ledger: where it ended, and where it ends.
type Moved<'a> = (Option<&'a Head>, Option<(&'a Head, &'a Mac)>);

impl<'a> Heads<'a> {
    fn of(heads: &'a [(UserKey, Head, Mac)], found: &'a [(UserKey, Head)]) -> Self {
        let mut users: BTreeMap<UserKey, Moved<'a>> =
            found.iter().map(|(user, head)| (*user, (Some(head), None))).collect();
        for (user, head, mac) in heads {
            users.entry(*user).or_default().1 = Some((head, mac));
        }
        let found = || users.values().map(|(found, _)| *found);
        let moved = || users.values().map(|(_, moved)| *moved);
        Self {
            shards: users.keys().map(|user| stored::shard_number(user.shard)).collect(),
            uids: users.keys().map(|user| user.uid.get()).collect(),
            found_versions: found().map(|found| found.map(|head| head.version)).collect(),
            found_hashes: found().map(|found| found.map(|head| &head.hash.0[..])).collect(),
            versions: moved().map(|moved| moved.map(|(head, _)| head.version)).collect(),
            hashes: moved().map(|moved| moved.map(|(head, _)| &head.hash.0[..])).collect(),
            decided_at: moved().map(|moved| moved.and_then(|(head, _)| head.decided_at)).collect(),
            macs: moved().map(|moved| moved.map(|(_, mac)| mac.as_bytes())).collect(),
        }
    }
}
