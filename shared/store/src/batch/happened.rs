//! What a batch counts and tells of, by shard.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use satchel_model::ids::Shard;
use satchel_model::ledger::{ChainHash, Record};
use satchel_model::records::NewEvent;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::outcome::ShardCounts;
use crate::db::stored;

/// What is added to each shard's counters, in order of the shards: all batches lock them in that order.
pub(super) struct Counters {
    pub(super) shards: Vec<i32>,
    pub(super) applied: Vec<i64>,
    pub(super) rejected: Vec<i64>,
    /// How many events there are.
    pub(super) events: Vec<i32>,
    /// The root of the tree of the shard's records, but for those without changes, which go one day.
    pub(super) roots: Vec<Option<ChainHash>>,
}

#[derive(Default)]
struct Counted {
    applied: i64,
    rejected: i64,
    events: i32,
    hashes: Vec<ChainHash>,
}

impl Counters {
    pub(super) fn of(counts: &[ShardCounts], events: &[NewEvent], records: &[Record]) -> Self {
        let mut by_shard: BTreeMap<Shard, Counted> = BTreeMap::new();
        for counts in counts {
            let counted = by_shard.entry(counts.shard).or_default();
            counted.applied += counts.applied;
            counted.rejected += counts.rejected;
        }
        for event in events {
            by_shard.entry(event.user.shard).or_default().events += 1;
        }
        for record in records {
            by_shard.entry(record.user.shard).or_default().hashes.extend(record.seal.chained());
        }
        Self {
            shards: by_shard.keys().map(|shard| shard.get().into()).collect(),
            applied: by_shard.values().map(|counted| counted.applied).collect(),
            rejected: by_shard.values().map(|counted| counted.rejected).collect(),
            events: by_shard.values().map(|counted| counted.events).collect(),
            roots: by_shard.into_values().map(|counted| ChainHash::root_of(counted.hashes)).collect(),
        }
    }

    /// The roots' bytes.
    pub(super) fn root_bytes(&self) -> Vec<Option<&[u8]>> {
        self.roots.iter().map(|root| root.as_ref().map(|root| &root.0[..])).collect()
    }
}

/// Events, one shard's behind the other's, in the order of [`Counters::shards`].
pub(super) struct Happened {
    /// Of each shard, where its own begin, counted from 1, as Postgres counts.
    pub(super) firsts: Vec<i32>,
    /// Of each shard, what happened, each kind once, as JSON.
    pub(super) kinds: Vec<String>,
    pub(super) uids: Vec<i64>,
    pub(super) job_ids: Vec<Option<Uuid>>,
    /// Of each event the index of its kind, counted from 0; empty if that is 0 for all.
    pub(super) kind_of: Vec<i16>,
    /// Of each event what it tells beside its job's record, as JSON; empty if none does.
    pub(super) details: Vec<Option<String>>,
}

/// What an event tells beside its job's record.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    occurred_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

/// The kinds of one shard's events.
#[derive(Default)]
struct Kinds<'a>(Vec<(&'a str, i16, bool)>);

impl Happened {
    pub(super) fn of(events: &[NewEvent], shards: &[i32]) -> Self {
        let mut sorted: Vec<&NewEvent> = events.iter().collect();
        sorted.sort_by_key(|event| event.user.shard);
        let (mut firsts, mut kinds) = (Vec::with_capacity(shards.len()), Vec::with_capacity(shards.len()));
        let mut kind_of = Vec::with_capacity(sorted.len());
        let mut rest = &sorted[..];
        for shard in shards {
            firsts.push(i32::try_from(kind_of.len()).unwrap_or(i32::MAX).saturating_add(1));
            let (own, others) =
                rest.split_at(rest.partition_point(|event| stored::shard_number(event.user.shard) <= *shard));
            let mut own_kinds = Kinds::default();
            kind_of.extend(own.iter().map(|event| own_kinds.index(event)));
            kinds.push(own_kinds.text());
            rest = others;
        }
        if kind_of.iter().all(|kind| *kind == 0) {
            kind_of.clear();
        }
        let mut details: Vec<Option<String>> = sorted.iter().map(|event| details(event)).collect();
        if details.iter().all(Option::is_none) {
            details.clear();
        }
        let uids = sorted.iter().map(|event| event.user.uid.get()).collect();
        let job_ids = sorted.iter().map(|event| event.job_id.map(|job_id| job_id.as_uuid())).collect();
        Self { firsts, kinds, uids, job_ids, kind_of, details }
    }
}

impl<'a> Kinds<'a> {
    fn index(&mut self, event: &'a NewEvent) -> i16 {
        let kind = (&*event.name, event.version, event.is_quiet);
        let index = self.0.iter().position(|known| *known == kind).unwrap_or_else(|| {
            self.0.push(kind);
            self.0.len() - 1
        });
        i16::try_from(index).unwrap_or(i16::MAX)
    }

    fn text(&self) -> String {
        let kinds = self.0.iter().map(|(name, version, is_quiet)| match is_quiet {
            true => serde_json::json!([name, version, true]),
            false => serde_json::json!([name, version]),
        });
        kinds.collect::<serde_json::Value>().to_string()
    }
}

fn details(event: &NewEvent) -> Option<String> {
    let details = Details {
        id: event.id.as_deref(),
        occurred_at: event.occurred_at.map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true)),
        data: event.data.as_deref(),
    };
    let is_plain = details.id.is_none() && details.occurred_at.is_none() && details.data.is_none();
    // Texts and raw JSON always serialise.
    (!is_plain).then(|| serde_json::to_string(&details).unwrap_or_default())
}
