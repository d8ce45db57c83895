//! The queue at a moment, as its two stores tell it. They are asked one after the other while jobs move on, so the
//! figures of a busy queue need not add up exactly.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use satchel_model::ids::Shard;
use satchel_queue::{Depth, Queue};
use satchel_store::stats::{self, QueueStats, ShardStats};
use satchel_store::{Pool, queue_state};
use schemars::JsonSchema;
use serde::Serialize;

use super::NAME;
use crate::http::deadline;
use crate::http::problem::ApiError;

/// Serialises as the queue's statistics of HTTP.md "Operate".
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Snapshot {
    queue: &'static str,
    pub(crate) paused: bool,
    pub(crate) stats: Counts,
    rates: Rates,
    /// Of those in the queue, without blocked ones.
    pub(crate) oldest_waiting_ms: Option<u64>,
    oldest_held_ms: Option<u64>,
    /// Of all that are not decided and are due, wherever they wait.
    pub(crate) oldest_undecided_ms: Option<u64>,
    /// Shards that no live worker serves.
    pub(crate) shards_without_owner: usize,
    shards: Vec<ShardView>,
    workers: Vec<WorkerView>,
}

/// Jobs by what they wait for, and what became of those that wait no more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Counts {
    /// In the queue and in no batch, or held.
    pub(crate) waiting: u64,
    /// Those of the waiting ones that are blocked behind a failed job of their player.
    pub(crate) held: u64,
    /// In a batch that is being applied.
    pub(crate) active: u64,
    /// Not due yet, or failed and waiting for the next attempt.
    pub(crate) delayed: u64,
    /// Applied or rejected, ever.
    pub(crate) completed: u64,
    /// Failed too often: parked, until an operator retries or removes them.
    pub(crate) failed: u64,
}

#[derive(Debug, Clone, Copy, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Rates {
    completed_per_second: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ShardView {
    shard: u16,
    /// The live worker that serves it.
    owner: Option<String>,
    #[serde(flatten)]
    counts: Counts,
    /// Of those in the queue: what is blocked waits for an operator, and would hide that the queue stands still.
    oldest_waiting_ms: Option<u64>,
    oldest_held_ms: Option<u64>,
    rates: Rates,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WorkerView {
    worker_id: String,
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    started_at: DateTime<Utc>,
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    expires_at: DateTime<Utc>,
    shards: usize,
    active: u64,
    rates: Rates,
}

impl Snapshot {
    /// Asks both stores.
    ///
    /// # Errors
    /// 503 if one is away.
    pub(crate) async fn take(queue: &dyn Queue, pool: &Pool) -> Result<Self, ApiError> {
        let shards: Vec<Shard> = queue.shards().all().collect();
        let depths = queue.depths(&shards).await?;
        let in_postgres = async { tokio::try_join!(stats::stats(pool), queue_state::state(pool)) };
        let (known, state) = deadline::answer(in_postgres).await?;
        Ok(Self::of(state.is_paused, &known, &depths, Utc::now()))
    }

    fn of(paused: bool, stats: &QueueStats, depths: &[Depth], now: DateTime<Utc>) -> Self {
        let depths: HashMap<Shard, &Depth> = depths.iter().map(|depth| (depth.shard, depth)).collect();
        let shards: Vec<ShardView> =
            stats.shards.iter().map(|shard| ShardView::of(shard, depths.get(&shard.shard).copied(), now)).collect();
        let workers = stats.workers.iter().map(|worker| {
            let worker_id = worker.worker_id.to_string();
            let own = || shards.iter().filter(|shard| shard.owner.as_ref() == Some(&worker_id));
            WorkerView {
                started_at: worker.started_at,
                expires_at: worker.expires_at,
                shards: own().count(),
                active: own().map(|shard| shard.counts.active).sum(),
                rates: Rates::sum(own()),
                worker_id: worker_id.clone(),
            }
        });
        let workers = workers.collect();
        let in_queue = shards.iter().filter_map(|shard| shard.oldest_waiting_ms);
        let in_postgres = stats.shards.iter().filter_map(|shard| Some(age_ms(shard.oldest_undecided_at?, now)));
        Self {
            queue: NAME,
            paused,
            stats: shards.iter().fold(Counts::default(), |sum, shard| sum.and(shard.counts)),
            rates: Rates::sum(shards.iter()),
            oldest_waiting_ms: shards.iter().filter_map(|shard| shard.oldest_waiting_ms).max(),
            oldest_held_ms: shards.iter().filter_map(|shard| shard.oldest_held_ms).max(),
            oldest_undecided_ms: in_queue.chain(in_postgres).max(),
            shards_without_owner: shards.iter().filter(|shard| shard.owner.is_none()).count(),
            shards,
            workers,
        }
    }
}

impl ShardView {
    fn of(stats: &ShardStats, depth: Option<&Depth>, now: DateTime<Utc>) -> Self {
        // What the journal has and the queue has not, the queue has forgotten: it is fed again, and waits as well.
        let (queued, delayed) = depth.map_or((0, 0), |depth| (depth.waiting, depth.delayed));
        let (queued, delayed) = (queued.max(count(stats.journaled)), delayed.max(count(stats.journaled_delayed)));
        let journaled_ms = stats.oldest_journaled_at.map(|since| age_ms(since, now));
        let active = u64::try_from(stats.active).unwrap_or_default();
        let held_ms = stats.oldest_blocked_at.map(|since| age_ms(since, now));
        Self {
            shard: stats.shard.get(),
            owner: stats.owner.map(|owner| owner.to_string()),
            counts: Counts {
                // A batch's entries stay in the queue until it is committed.
                waiting: queued.saturating_sub(active) + count(stats.blocked),
                held: count(stats.blocked),
                active,
                delayed: delayed + count(stats.retrying),
                completed: count(stats.applied) + count(stats.rejected),
                failed: count(stats.parked),
            },
            oldest_waiting_ms: depth.and_then(|depth| depth.oldest_waiting_ms).max(journaled_ms),
            oldest_held_ms: held_ms,
            rates: Rates { completed_per_second: stats.per_second },
        }
    }
}

impl Counts {
    fn and(self, other: Self) -> Self {
        Self {
            waiting: self.waiting + other.waiting,
            held: self.held + other.held,
            active: self.active + other.active,
            delayed: self.delayed + other.delayed,
            completed: self.completed + other.completed,
            failed: self.failed + other.failed,
        }
    }
}

impl Rates {
    fn sum<'s>(shards: impl Iterator<Item = &'s ShardView>) -> Self {
        Self { completed_per_second: shards.fold(0.0, |sum, shard| sum + shard.rates.completed_per_second) }
    }
}

/// How long ago that was, in milliseconds. Clocks may differ a little.
fn age_ms(since: DateTime<Utc>, now: DateTime<Utc>) -> u64 {
    u64::try_from((now - since).num_milliseconds()).unwrap_or(0)
}

/// What Postgres counts is never negative.
fn count(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use satchel_model::ids::JobId;
    use satchel_store::stats::WorkerStats;
    use serde_json::{Value, json};

    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    fn shard(number: u16, worker: Option<&WorkerStats>) -> ShardStats {
        ShardStats {
            shard: Shard::new(number),
            owner: worker.map(|worker| worker.worker_id),
            epoch: 1,
            applied: 5,
            rejected: 2,
            active: 3,
            per_second: 1.5,
            parked: 1,
            retrying: 4,
            blocked: 6,
            oldest_blocked_at: Some(at(NOW_MS - 500)),
            journaled: 0,
            journaled_delayed: 0,
            oldest_journaled_at: None,
            oldest_undecided_at: Some(at(NOW_MS - 1_500)),
        }
    }

    fn depth(number: u16, waiting: u64, oldest_waiting_ms: Option<u64>) -> Depth {
        Depth { shard: Shard::new(number), waiting, delayed: 10, oldest_waiting_ms }
    }

    fn snapshot(stats: &QueueStats, depths: &[Depth]) -> Value {
        serde_json::to_value(Snapshot::of(true, stats, depths, at(NOW_MS))).unwrap()
    }

    #[test]
    fn what_is_in_a_batch_does_not_wait_and_what_is_blocked_does() {
        let worker_id = JobId::from(uuid::Uuid::now_v7()).as_uuid();
        let worker = WorkerStats { worker_id, started_at: at(0), expires_at: at(1_000) };
        let stats = QueueStats { shards: vec![shard(0, Some(&worker)), shard(1, None)], workers: vec![worker] };
        // The second shard's batch was committed between the two looks.
        let told = snapshot(&stats, &[depth(0, 20, Some(900)), depth(1, 2, None)]);
        assert_eq!(told["queue"], "jobs");
        assert_eq!(told["paused"], true);
        let sum = json!({"waiting": 17 + 6 + 6, "held": 12, "active": 6, "delayed": 28, "completed": 14, "failed": 2});
        assert_eq!(told["stats"], sum);
        assert_eq!(told["rates"], json!({"completedPerSecond": 3.0}));
        assert_eq!((&told["oldestWaitingMs"], &told["oldestUndecidedMs"]), (&json!(900), &json!(1_500)));
        assert_eq!(told["shardsWithoutOwner"], 1);
        assert_eq!(
            told["shards"][0],
            json!({"shard": 0, "owner": worker_id.to_string(), "waiting": 23, "held": 6, "active": 3, "delayed": 14, "completed": 7, "failed": 1,
                   "oldestWaitingMs": 900, "oldestHeldMs": 500, "rates": {"completedPerSecond": 1.5}})
        );
        assert_eq!(told["shards"][1]["oldestWaitingMs"], Value::Null);
        assert_eq!(
            told["workers"],
            json!([{"workerId": worker_id.to_string(), "startedAt": "1970-01-01T00:00:00.000000Z",
                    "expiresAt": "1970-01-01T00:00:01.000000Z",
                    "shards": 1, "active": 3, "rates": {"completedPerSecond": 1.5}}])
        );
    }

    #[test]
    fn what_only_the_journal_has_waits_as_well() {
        let journaled = ShardStats {
            journaled: 23,
            journaled_delayed: 12,
            oldest_journaled_at: Some(at(NOW_MS - 7_000)),
            ..shard(0, None)
        };
        let stats = QueueStats { shards: vec![ShardStats { active: 0, blocked: 0, ..journaled }], workers: Vec::new() };
        let told = snapshot(&stats, &[depth(0, 2, Some(900))]);
        assert_eq!((&told["stats"]["waiting"], &told["oldestWaitingMs"]), (&json!(23), &json!(7_000)));
        assert_eq!(told["stats"]["delayed"], 12 + 4);
        let told = snapshot(&stats, &[depth(0, 200, Some(9_000))]);
        assert_eq!((&told["stats"]["waiting"], &told["oldestWaitingMs"]), (&json!(200), &json!(9_000)));
    }

    #[test]
    fn an_empty_queue_has_waited_for_nothing() {
        let told = snapshot(&QueueStats { shards: Vec::new(), workers: Vec::new() }, &[]);
        assert_eq!(told["oldestWaitingMs"], Value::Null);
        assert_eq!(told["rates"].to_string(), r#"{"completedPerSecond":0.0}"#);
    }
}
