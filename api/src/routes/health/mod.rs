//! `/healthz`: the process answers. `/readyz`: so do its stores, they take writes (each is given a small one), and Redis
//! keeps what it has answered for.
//!
//! With a journal, jobs are accepted without Redis, so that the service is ready without it; they are applied when it
//! is back. So it is while an operator has paused the queue, or shards have no worker, or Redis has forgotten jobs. All of that is told as warnings. What Redis may forget is none
//! then: it is fed again. While this machine's clock is wrong nothing is taken, and it is not ready.

mod report;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use satchel_queue::{Durability, Queue, QueueError};
use satchel_store::{Pool, StoreError, leases, queue_state, readiness, watermarks};
use tokio::sync::Mutex;

use self::report::{AWAY, OK, Report, Told};
use crate::config::JournalMode;
use crate::http::problem::RETRY_AFTER_SECONDS;
use crate::server::state::State;

pub(crate) use self::report::warnings;

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
    let (mode, set) = (state.journaling.mode(), state.journaling.set());
    let report = state.readiness.report(&state.pool, state.queue.as_ref(), mode).await;
    let report = report.with_setting(set).with_clock(state.clock.offset_ms(), state.clock.fault());
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

/// How the queue is, of a Postgres that takes writes.
async fn postgres(pool: &Pool) -> Result<Told, StoreError> {
    let state = queue_state::state(pool).await?;
    let shards_without_owner = leases::without_owner(pool).await?;
    readiness::try_write(pool).await?;
    let loss = watermarks::loss(pool).await?;
    Ok(Told { is_paused: state.is_paused, shards_without_owner, loss })
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
mod tests;
