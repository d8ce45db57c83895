//! `/healthz`: the process answers. `/readyz`: so do its stores, and Redis keeps what it has answered for.
//!
//! With a journal, jobs are accepted without Redis, so that the service is ready without it; they are applied when it
//! is back. So it is while an operator has paused the queue. Both are told as warnings.

use std::time::{Duration, Instant};

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use satchel_shared::queue::{Durability, Queue};
use satchel_shared::store::{Pool, StoreError, queue_state};
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

/// `GET /readyz`: 503 while a store is away that jobs are accepted by. Wrong durability settings are warnings: jobs
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

/// The last report.
#[derive(Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, Report)>>);

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
}

#[derive(Debug, Clone, Serialize)]
struct RedisCheck {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    durability: Option<Durability>,
    warnings: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
struct QueueCheck {
    /// Not told while Postgres is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<bool>,
    warnings: Vec<&'static str>,
}

const OK: &str = "ok";
const AWAY: &str = "unavailable";

impl Readiness {
    /// A fresh report, or the last one if it is young. Questions that come while one is made wait for it.
    async fn report(&self, pool: &Pool, queue: &dyn Queue, journal: JournalMode) -> Report {
        let mut last = self.0.lock().await;
        if let Some((made, report)) = last.as_ref()
            && made.elapsed() < Duration::from_millis(REPORT_TTL_MS)
        {
            return report.clone();
        }
        let (paused, durability) = tokio::join!(ask("Postgres", is_paused(pool)), ask("Redis", queue.durability()));
        let report = Report::of(paused, durability, journal);
        *last = Some((Instant::now(), report.clone()));
        report
    }
}

impl Report {
    /// `paused` and `durability` are `None` if the store that tells them is away.
    fn of(paused: Option<bool>, durability: Option<Durability>, journal: JournalMode) -> Self {
        let status = |is_there| if is_there { OK } else { AWAY };
        let accepts = paused.is_some() && (durability.is_some() || journal == JournalMode::Postgres);
        let mut warnings = durability.as_ref().map(Durability::warnings).unwrap_or_default();
        if durability.is_none() && journal == JournalMode::Postgres {
            warnings.push("Redis is away: jobs are accepted into the journal and applied when it is back".to_owned());
        }
        let is_paused = paused.unwrap_or(false);
        let pause = is_paused.then_some("the queue is paused: jobs are accepted and not applied until it is resumed");
        Self {
            status: status(accepts),
            journal,
            checks: Checks {
                postgres: PostgresCheck { status: status(paused.is_some()) },
                redis: RedisCheck { status: status(durability.is_some()), durability, warnings },
                queue: QueueCheck { paused, warnings: pause.into_iter().collect() },
            },
        }
    }

    fn is_ready(&self) -> bool {
        self.status == OK
    }
}

async fn is_paused(pool: &Pool) -> Result<bool, StoreError> {
    Ok(queue_state::state(pool).await?.is_paused)
}

/// What a store answers, if it does in time. The reason why not stays in the log: whoever may ask for readiness need
/// not learn addresses and users.
async fn ask<T, E: std::fmt::Display>(store: &str, check: impl Future<Output = Result<T, E>>) -> Option<T> {
    let reason = match tokio::time::timeout(Duration::from_millis(CHECK_DEADLINE_MS), check).await {
        Ok(Ok(answer)) => return Some(answer),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {CHECK_DEADLINE_MS} ms"),
    };
    tracing::warn!(reason, "{store} is not ready");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_redis_it_is_ready_only_with_a_journal() {
        let report = |journal| serde_json::to_value(Report::of(Some(false), None, journal)).unwrap();
        let without = report(JournalMode::None);
        assert_eq!((&without["status"], &without["journal"]), (&"unavailable".into(), &"none".into()));
        let with = report(JournalMode::Postgres);
        assert_eq!((&with["status"], &with["journal"]), (&"ok".into(), &"postgres".into()));
        assert_eq!(with["checks"]["redis"]["status"], "unavailable");
        assert_eq!(with["checks"]["redis"]["warnings"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn without_postgres_it_is_never_ready() {
        for journal in [JournalMode::None, JournalMode::Postgres] {
            let report = serde_json::to_value(Report::of(None, None, journal)).unwrap();
            assert_eq!(report["status"], "unavailable");
            assert!(report["checks"]["queue"].get("paused").is_none());
        }
    }

    #[test]
    fn a_paused_queue_is_a_warning() {
        let report = Report::of(Some(true), None, JournalMode::Postgres);
        assert!(report.is_ready());
        let told = serde_json::to_value(report).unwrap();
        assert_eq!(told["checks"]["queue"]["paused"], true);
        assert!(told["checks"]["queue"]["warnings"][0].as_str().unwrap().contains("paused"));
    }
}
