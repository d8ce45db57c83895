//! `/healthz`: the process answers. `/readyz`: so do its stores, they take writes (each is given a small one), and Redis
//! keeps what it has answered for.
//!
//! With a journal, jobs are accepted without Redis, so that the service is ready without it; they are applied when it
//! is back. So it is while an operator has paused the queue, or shards have no worker. All of that is told as warnings. What Redis may forget is none
//! then: it is fed again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use satchel_shared::queue::{Durability, Queue, QueueError, Setting};
use satchel_shared::store::{Pool, StoreError, leases, queue_state, readiness};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::config::JournalMode;
use crate::problem::RETRY_AFTER_SECONDS;
use crate::state::State;

/// A store that takes longer to answer counts as away, in milliseconds.
const CHECK_DEADLINE_MS: u64 = 2_000;

/// A report is answered again for so long, in milliseconds, so that a flood of questions is none for the stores.
const REPORT_TTL_MS: u64 = 500;

/// `GET /healthz`.
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"status": "ok"}))
}

/// `GET /readyz` where the details are for another address: the status alone.
pub(crate) async fn ready_or_not(state: web::Data<State>) -> HttpResponse {
    let status = ready(state).await.status();
    let mut answer = HttpResponse::build(status);
    if !status.is_success() {
        answer.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
    }
    answer.json(serde_json::json!({"status": if status.is_success() { OK } else { AWAY }}))
}

/// `GET /readyz`: 503 while a store that jobs are accepted by is away or takes no writes. Wrong durability settings are warnings: jobs
/// still flow.
pub(crate) async fn ready(state: web::Data<State>) -> HttpResponse {
    let journal = if state.journal.is_some() { JournalMode::Postgres } else { JournalMode::None };
    let report = state.readiness.report(&state.pool, state.queue.as_ref(), journal).await;
    if report.is_ready() {
        HttpResponse::Ok().json(report)
    } else {
        HttpResponse::ServiceUnavailable().insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS)).json(report)
    }
}

/// What was found out of readiness so far.
#[derive(Default)]
pub(crate) struct Readiness {
    last: Mutex<Option<(Instant, Report)>>,
    /// Whether it was said which settings Redis does not show.
    has_told_unseen: AtomicBool,
}

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

/// What it has of Postgres is not told while that is away.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueCheck {
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<bool>,
    /// Shards that no live worker serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    shards_without_owner: Option<i64>,
    warnings: Vec<String>,
}

impl QueueCheck {
    fn of(told: Option<Told>) -> Self {
        let Told { is_paused, shards_without_owner } = told.unwrap_or_default();
        let mut warnings = Vec::new();
        if is_paused {
            warnings.push("the queue is paused: jobs are accepted and not applied until it is resumed".to_owned());
        }
        if shards_without_owner > 0 {
            warnings
                .push(format!("{shards_without_owner} shards have no worker: their jobs are accepted and not applied"));
        }
        Self {
            paused: told.map(|told| told.is_paused),
            shards_without_owner: told.map(|told| told.shards_without_owner),
            warnings,
        }
    }
}

/// What Postgres tells of the queue.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    is_paused: bool,
    shards_without_owner: i64,
}

const OK: &str = "ok";
const AWAY: &str = "unavailable";

impl Readiness {
    /// A fresh report, or the last one if it is young. Questions that come while one is made wait for it.
    async fn report(&self, pool: &Pool, queue: &dyn Queue, journal: JournalMode) -> Report {
        let mut last = self.last.lock().await;
        if let Some((made, report)) = last.as_ref()
            && made.elapsed() < Duration::from_millis(REPORT_TTL_MS)
        {
            return report.clone();
        }
        let (postgres, redis) = tokio::join!(
            ask("Postgres", postgres(pool), |error| error.told().to_owned()),
            ask("Redis", redis(queue), QueueError::told),
        );
        if let Ok(durability) = &redis {
            self.tell_unseen(durability);
        }
        let report = Report::of(postgres, redis, journal);
        *last = Some((Instant::now(), report.clone()));
        report
    }

    /// Says in the log which settings Redis does not show, once: whoever runs it without `CONFIG` knows by then.
    pub(crate) fn tell_unseen(&self, durability: &Durability) {
        if let Some(unseen) = durability.unseen()
            && !self.has_told_unseen.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("{unseen}");
        }
    }
}

/// What is wrong with Redis's settings. With a journal nothing that it may forget is lost; the queue in memory forgets
/// when this process ends, so that it is told all the same.
pub(crate) fn warnings(durability: &Durability, journal: JournalMode) -> Vec<String> {
    let is_harmless = journal == JournalMode::Postgres && durability.appendonly != Setting::InMemory;
    if is_harmless { Vec::new() } else { durability.warnings() }
}

impl Report {
    /// What each store told: Postgres how the queue is, Redis its settings; or why it is not ready.
    fn of(postgres: Result<Told, String>, redis: Result<Durability, String>, journal: JournalMode) -> Self {
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
                queue: QueueCheck::of(in_postgres),
            },
        }
    }

    fn is_ready(&self) -> bool {
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

/// How the queue is, of a Postgres that takes writes.
async fn postgres(pool: &Pool) -> Result<Told, StoreError> {
    let state = queue_state::state(pool).await?;
    let shards_without_owner = leases::without_owner(pool).await?;
    readiness::try_write(pool).await?;
    Ok(Told { is_paused: state.is_paused, shards_without_owner })
}

/// The settings of a Redis that takes writes.
async fn redis(queue: &dyn Queue) -> Result<Durability, QueueError> {
    let durability = queue.durability().await?;
    queue.try_write().await?;
    Ok(durability)
}

/// What a store answers, if it does in time, else what may be told of why not. The whole reason stays in the log:
/// whoever may ask for readiness need not learn addresses and users.
async fn ask<T, E: std::fmt::Display>(
    store: &str,
    check: impl Future<Output = Result<T, E>>,
    told: impl FnOnce(&E) -> String,
) -> Result<T, String> {
    let (reason, told) = match tokio::time::timeout(Duration::from_millis(CHECK_DEADLINE_MS), check).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => (error.to_string(), told(&error)),
        Err(_) => (format!("no answer within {CHECK_DEADLINE_MS} ms"), "it does not answer".to_owned()),
    };
    tracing::warn!(reason, "{store} is not ready");
    Err(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn going(is_paused: bool, shards_without_owner: i64) -> Told {
        Told { is_paused, shards_without_owner }
    }

    fn away<T>() -> Result<T, String> {
        Err("it is read-only".to_owned())
    }

    fn weak() -> Durability {
        let known = |value: &str| Setting::Known(value.to_owned());
        Durability { appendonly: known("no"), appendfsync: known("always"), maxmemory_policy: known("noeviction") }
    }

    #[test]
    fn without_redis_it_is_ready_only_with_a_journal() {
        let report = |journal| serde_json::to_value(Report::of(Ok(going(false, 0)), away(), journal)).unwrap();
        let without = report(JournalMode::None);
        assert_eq!((&without["status"], &without["journal"]), (&"unavailable".into(), &"none".into()));
        let with = report(JournalMode::Postgres);
        assert_eq!((&with["status"], &with["journal"]), (&"ok".into(), &"postgres".into()));
        assert_eq!(with["checks"]["redis"]["status"], "unavailable");
        assert_eq!(with["checks"]["redis"]["reason"], "it is read-only");
        assert_eq!(with["checks"]["redis"]["warnings"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn without_postgres_it_is_never_ready() {
        for journal in [JournalMode::None, JournalMode::Postgres] {
            let report = serde_json::to_value(Report::of(away(), Ok(weak()), journal)).unwrap();
            assert_eq!(report["status"], "unavailable");
            assert_eq!(report["checks"]["postgres"]["reason"], "it is read-only");
            assert!(report["checks"]["queue"].get("paused").is_none());
        }
    }

    #[test]
    fn a_journal_prevents_what_weak_settings_would_lose() {
        let report = |durability: Durability, journal| {
            serde_json::to_value(Report::of(Ok(going(false, 0)), Ok(durability), journal)).unwrap()
        };
        let warnings = |report: serde_json::Value| report["checks"]["redis"]["warnings"].as_array().unwrap().len();
        assert_eq!(warnings(report(weak(), JournalMode::None)), 1);
        assert_eq!(warnings(report(weak(), JournalMode::Postgres)), 0);
        let forgets = Durability {
            appendonly: Setting::InMemory,
            appendfsync: Setting::InMemory,
            maxmemory_policy: Setting::InMemory,
        };
        assert_eq!(warnings(report(forgets, JournalMode::Postgres)), 1);
    }

    #[test]
    fn what_redis_does_not_show_is_no_warning_and_said_as_one_sentence() {
        let hidden = Durability {
            appendonly: Setting::Unknown,
            appendfsync: Setting::Unknown,
            maxmemory_policy: Setting::Unknown,
        };
        assert_eq!(
            hidden.unseen().unwrap(),
            "Redis does not show all of its settings: make sure that it has appendonly yes, appendfsync always, \
             maxmemory-policy noeviction"
        );
        assert!(weak().unseen().is_none() && hidden.warnings().is_empty());
        let report = serde_json::to_value(Report::of(Ok(going(false, 0)), Ok(hidden), JournalMode::None)).unwrap();
        assert_eq!(report["checks"]["redis"]["durability"]["appendonly"], "unknown");
    }

    #[test]
    fn shards_without_a_worker_are_a_warning() {
        let told = serde_json::to_value(Report::of(Ok(going(false, 3)), away(), JournalMode::Postgres)).unwrap();
        assert_eq!((&told["status"], &told["checks"]["queue"]["shardsWithoutOwner"]), (&"ok".into(), &3.into()));
        assert!(told["checks"]["queue"]["warnings"][0].as_str().unwrap().contains("3 shards have no worker"));
    }

    #[test]
    fn a_paused_queue_is_a_warning() {
        let report = Report::of(Ok(going(true, 0)), away(), JournalMode::Postgres);
        assert!(report.is_ready());
        let told = serde_json::to_value(report).unwrap();
        assert_eq!(told["checks"]["queue"]["paused"], true);
        assert!(told["checks"]["queue"]["warnings"][0].as_str().unwrap().contains("paused"));
    }
}
