//! `GET /readyz`: the stores answer, they take writes (each is given a small one), and Redis keeps what it has answered for.
//!
//! With a journal, jobs are accepted without Redis, so that the service is ready without it; they are applied when it
//! is back. So it is while an operator has paused the queue, or shards have no worker, or Redis has forgotten jobs. All of that is told as warnings. What Redis may forget is none
//! then: it is fed again. While this machine's clock is wrong nothing is taken, and it is not ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;
use satchel_queue::{Durability, Queue, QueueError};
use satchel_store::{Pool, StoreError, leases, queue_state, readiness, watermarks};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Mutex;

use super::report::{AWAY, OK, Report, Told};
use crate::auth::Access;
use crate::http::answer::{Custom, Untyped};
use crate::http::problem::{ApiError, RETRY_AFTER_SECONDS};
use crate::intake::JournalMode;
use crate::intake::clock::Clock;
use crate::intake::journaling::Journaling;
use crate::routes::route::{Method, Route, handle};

pub(crate) static READY: Route = Route {
    method: Method::Get,
    path: "/readyz",
    operation: "ready",
    access: Access::Anyone,
    errors: &[503],
    handler: || handle(ready),
};

/// Where the details are for another address.
pub(crate) static READY_OR_NOT: Route = Route {
    method: Method::Get,
    path: "/readyz",
    operation: "readyOrNot",
    access: Access::Anyone,
    errors: &[503],
    handler: || handle(ready_or_not),
};

/// A store that takes longer to answer counts as away, in milliseconds.
const CHECK_DEADLINE_MS: u64 = 2_000;

/// A report is answered again for so long, in milliseconds, so that a flood of questions is none for the stores.
const REPORT_TTL_MS: u64 = 500;

#[derive(Serialize, JsonSchema)]
struct Status {
    status: &'static str,
}

/// Answers 503 while a store that jobs are accepted by is away or takes no writes. Wrong durability settings are warnings: jobs
/// still flow.
async fn ready(readiness: Data<Readiness>) -> Result<Custom<Untyped<Report>>, ApiError> {
    let report = readiness.report().await;
    Ok(told(report.is_ready(), report).into())
}

/// Answers the status alone.
async fn ready_or_not(readiness: Data<Readiness>) -> Result<Custom<Status>, ApiError> {
    let is_ready = readiness.report().await.is_ready();
    Ok(told(is_ready, Status { status: if is_ready { OK } else { AWAY } }).into())
}

fn told(is_ready: bool, report: impl Serialize) -> HttpResponse {
    if is_ready {
        HttpResponse::Ok().json(report)
    } else {
        HttpResponse::ServiceUnavailable().insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS)).json(report)
    }
}

/// What was found out of readiness so far.
pub(crate) struct Readiness {
    pool: Pool,
    queue: Arc<dyn Queue>,
    journaling: Arc<Journaling>,
    clock: Arc<Clock>,
    last: Mutex<Option<(Instant, Report)>>,
    unseen: UnseenSettings,
}

impl Readiness {
    /// Of these parts nothing is known yet.
    pub(crate) fn new(
        pool: Pool,
        queue: Arc<dyn Queue>,
        journaling: Arc<Journaling>,
        clock: Arc<Clock>,
        unseen: UnseenSettings,
    ) -> Self {
        Self { pool, queue, journaling, clock, last: Mutex::default(), unseen }
    }

    /// What is to be reported.
    async fn report(&self) -> Report {
        let report = self.of_stores(self.journaling.mode()).await.with_setting(self.journaling.set());
        report.with_clock(self.clock.offset_ms(), self.clock.fault())
    }

    /// A fresh report, or the last one if it is young. Questions that come while one is made wait for it.
    async fn of_stores(&self, journal: JournalMode) -> Report {
        let mut last = self.last.lock().await;
        if let Some((made, report)) = last.as_ref()
            && made.elapsed() < Duration::from_millis(REPORT_TTL_MS)
        {
            return report.clone();
        }
        let (postgres, redis) = tokio::join!(
            ask("Postgres", postgres(&self.pool), |error| error.told().to_owned()),
            ask("Redis", redis(&*self.queue), QueueError::told),
        );
        if let Ok(durability) = &redis {
            self.unseen.tell(durability);
        }
        let report = Report::of(postgres, redis, journal);
        *last = Some((Instant::now(), report.clone()));
        report
    }
}

/// Whether it was said which settings Redis does not show.
#[derive(Default)]
pub(crate) struct UnseenSettings(AtomicBool);

impl UnseenSettings {
    /// Says it in the log, once: whoever runs it without `CONFIG` knows by then.
    pub(crate) fn tell(&self, durability: &Durability) {
        if let Some(unseen) = durability.unseen()
            && !self.0.swap(true, Ordering::Relaxed)
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
