//! What `/readyz` answers.

use chrono::{DateTime, Utc};
use satchel_model::moment;
use satchel_queue::{Durability, Setting};
use satchel_store::watermarks::Loss;
use serde::Serialize;

use crate::intake::JournalMode;
use crate::intake::journaling::FOLLOWS;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    status: &'static str,
    journal: JournalMode,
    checks: Checks,
}

#[derive(Debug, Clone, Serialize)]
struct Checks {
    postgres: PostgresCheck,
    redis: RedisCheck,
    queue: QueueCheck,
    clock: ClockCheck,
}

#[derive(Debug, Clone, Serialize)]
struct PostgresCheck {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct RedisCheck {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    durability: Option<Durability>,
    warnings: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClockCheck {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// How far this machine's clock is ahead of Postgres's.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset_ms: Option<i64>,
}

/// What it has of Postgres is not told while that is away.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueCheck {
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<bool>,
    /// Shards that no live worker serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    shards_without_owner: Option<i64>,
    /// That it has forgotten jobs lately.
    #[serde(skip_serializing_if = "Option::is_none")]
    began_anew: Option<BeganAnew>,
    warnings: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct BeganAnew {
    #[serde(serialize_with = "moment::serialize")]
    at: DateTime<Utc>,
    /// Since when accepted jobs may be gone; `null`: whatever waited.
    #[serde(serialize_with = "moment::serialize")]
    lost_since: Option<DateTime<Utc>>,
    shards: i64,
}

impl BeganAnew {
    fn warning(&self, journal: JournalMode) -> String {
        let lost = match (journal, self.lost_since) {
            (JournalMode::Postgres, _) => "the journal has the jobs, and they are queued again".to_owned(),
            (JournalMode::None, Some(since)) => {
                format!("jobs that were accepted since {} may be gone", moment::text(since))
            }
            (JournalMode::None, None) => "jobs that waited may be gone".to_owned(),
        };
        format!("{} shards of the queue had forgotten what they had and began anew: {lost}", self.shards)
    }
}

impl QueueCheck {
    fn of(told: Option<Told>, journal: JournalMode) -> Self {
        let Told { is_paused, shards_without_owner, loss } = told.unwrap_or_default();
        let mut warnings = Vec::new();
        if is_paused {
            warnings.push("the queue is paused: jobs are accepted and not applied until it is resumed".to_owned());
        }
        if shards_without_owner > 0 {
            warnings
                .push(format!("{shards_without_owner} shards have no worker: their jobs are accepted and not applied"));
        }
        let began_anew = loss.map(|Loss { at, lost_since, shards }| BeganAnew { at, lost_since, shards });
        warnings.extend(began_anew.as_ref().map(|began_anew| began_anew.warning(journal)));
        Self {
            began_anew,
            paused: told.map(|told| told.is_paused),
            shards_without_owner: told.map(|told| told.shards_without_owner),
            warnings,
        }
    }
}

/// What Postgres tells of the queue.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    pub(super) is_paused: bool,
    pub(super) shards_without_owner: i64,
    pub(super) loss: Option<Loss>,
}

pub(super) const OK: &str = "ok";
pub(super) const AWAY: &str = "unavailable";
const WRONG: &str = "wrong";

/// What is wrong with Redis's settings. With a journal nothing that it may forget is lost; the queue in memory forgets
/// when this process ends, so that it is told all the same.
pub(crate) fn warnings(durability: &Durability, journal: JournalMode) -> Vec<String> {
    let is_harmless = journal == JournalMode::Postgres && durability.appendonly != Setting::InMemory;
    if is_harmless { Vec::new() } else { durability.warnings() }
}

impl Report {
    /// What each store told: Postgres how the queue is, Redis its settings; or why it is not ready.
    pub(super) fn of(postgres: Result<Told, String>, redis: Result<Durability, String>, journal: JournalMode) -> Self {
        let status = |is_ready| if is_ready { OK } else { AWAY };
        let accepts = postgres.is_ok() && (redis.is_ok() || journal == JournalMode::Postgres);
        let mut warnings = redis.as_ref().map(|durability| warnings(durability, journal)).unwrap_or_default();
        if redis.is_err() && journal == JournalMode::Postgres {
            warnings
                .push("Redis takes no jobs: they are accepted into the journal and applied when it does".to_owned());
        }
        let (in_postgres, postgres_reason) = told(postgres);
        let (durability, redis_reason) = told(redis);
        Self {
            status: status(accepts),
            journal,
            checks: Checks {
                postgres: PostgresCheck { status: status(in_postgres.is_some()), reason: postgres_reason },
                redis: RedisCheck { status: status(durability.is_some()), reason: redis_reason, durability, warnings },
                queue: QueueCheck::of(in_postgres, journal),
                clock: ClockCheck { status: OK, reason: None, offset_ms: None },
            },
        }
    }

    /// With what `SATCHEL_JOURNAL` says, where something else is done.
    pub(super) fn with_setting(mut self, set: JournalMode) -> Self {
        if self.journal != set {
            self.checks.queue.warnings.push(FOLLOWS.to_owned());
        }
        self
    }

    /// With what is known of this machine's clock, and what is wrong with it: then it is not ready.
    pub(super) fn with_clock(mut self, offset_ms: Option<i64>, fault: Option<String>) -> Self {
        if fault.is_some() {
            self.status = AWAY;
        }
        self.checks.clock = ClockCheck { status: if fault.is_some() { WRONG } else { OK }, reason: fault, offset_ms };
        self
    }

    pub(super) fn is_ready(&self) -> bool {
        self.status == OK
    }
}

/// What a store told, or why it told nothing.
fn told<T>(told: Result<T, String>) -> (Option<T>, Option<String>) {
    match told {
        Ok(told) => (Some(told), None),
        Err(reason) => (None, Some(reason)),
    }
}
