//! `/healthz`: the process answers. `/readyz`: so do its stores, and Redis keeps what it has answered for.

use std::time::{Duration, Instant};

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use satchel_shared::queue::{Durability, Queue};
use satchel_shared::store::Pool;
use serde::Serialize;
use tokio::sync::Mutex;

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

/// `GET /readyz`: 503 while a store is away. Wrong durability settings are warnings: jobs still flow.
pub(crate) async fn ready(state: web::Data<State>) -> HttpResponse {
    let report = state.readiness.report(&state.pool, &state.queue).await;
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
    checks: Checks,
}

#[derive(Debug, Clone, Serialize)]
struct Checks {
    postgres: Check,
    redis: RedisCheck,
}

#[derive(Debug, Clone, Serialize)]
struct Check {
    status: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct RedisCheck {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    durability: Option<Durability>,
    warnings: Vec<String>,
}

const OK: &str = "ok";
const AWAY: &str = "unavailable";

impl Readiness {
    /// A fresh report, or the last one if it is young. Questions that come while one is made wait for it.
    async fn report(&self, pool: &Pool, queue: &Queue) -> Report {
        let mut last = self.0.lock().await;
        if let Some((made, report)) = last.as_ref()
            && made.elapsed() < Duration::from_millis(REPORT_TTL_MS)
        {
            return report.clone();
        }
        let (postgres, redis) = tokio::join!(check_postgres(pool), check_redis(queue));
        let is_ready = postgres.status == OK && redis.status == OK;
        let report = Report { status: if is_ready { OK } else { AWAY }, checks: Checks { postgres, redis } };
        *last = Some((Instant::now(), report.clone()));
        report
    }
}

impl Report {
    fn is_ready(&self) -> bool {
        self.status == OK
    }
}

async fn check_postgres(pool: &Pool) -> Check {
    let status = match in_time(pool.ping()).await {
        Ok(()) => OK,
        Err(reason) => {
            tracing::warn!(reason, "not ready: Postgres");
            AWAY
        }
    };
    Check { status }
}

async fn check_redis(queue: &Queue) -> RedisCheck {
    match in_time(queue.durability()).await {
        Ok(durability) => RedisCheck { status: OK, warnings: durability.warnings(), durability: Some(durability) },
        Err(reason) => {
            tracing::warn!(reason, "not ready: Redis");
            RedisCheck { status: AWAY, durability: None, warnings: Vec::new() }
        }
    }
}

/// The reason stays in the log: whoever may ask for readiness need not learn addresses and users.
async fn in_time<T, E: std::fmt::Display>(check: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match tokio::time::timeout(Duration::from_millis(CHECK_DEADLINE_MS), check).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {CHECK_DEADLINE_MS} ms")),
    }
}
