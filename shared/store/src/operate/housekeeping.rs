//! What is past its retention: decided jobs, events and ended runs are forgotten, parked jobs archived, runs that nobody
//! will do given up. In bounded steps.

use std::ops::AddAssign;

use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;

use crate::Retention;
use crate::actions::{self, Action, Operator};
use crate::db::session::limit_statements;
use crate::functions::retention;
use crate::parked::failed;
use crate::{Pool, Session, StoreError};

/// Most records of each kind that one step forgets.
const MAX_JOBS_PER_STEP: i64 = 5_000;
/// Most parked jobs that one step archives.
const MAX_ARCHIVED_PER_STEP: i64 = 500;
/// Most events of each shard that one step forgets.
const MAX_EVENTS_PER_STEP: i32 = 1_000;
/// Longest run of one statement of a step that an operator asked for, in milliseconds, as for a worker's steps: those
/// of other requests have less.
const STATEMENT_TIMEOUT_MS: u32 = 30_000;
/// Most steps that an operator's request takes.
const MAX_STEPS_PER_REQUEST: u32 = 64;

/// What was past its retention.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cleaned {
    /// Decided jobs forgotten.
    pub removed: u64,
    /// Parked jobs archived.
    pub archived: u64,
    /// Events forgotten.
    pub events: u64,
    /// Ended runs of functions forgotten.
    pub runs: u64,
    /// Runs failed whose function no worker runs any more.
    pub given_up: u64,
    /// Whether there may be more, for another call.
    pub has_more: bool,
}

/// What several steps did; whether there may be more is for the last one to say.
impl AddAssign for Cleaned {
    fn add_assign(&mut self, next: Self) {
        self.removed += next.removed;
        self.archived += next.archived;
        self.events += next.events;
        self.runs += next.runs;
        self.given_up += next.given_up;
        self.has_more = next.has_more;
    }
}

/// One step, on from where the last one by anyone ended.
///
/// # Errors
/// If Postgres is away, or the retention is shorter than decided jobs must be kept.
pub async fn step(session: &mut Session, retention: &Retention) -> Result<Cleaned, StoreError> {
    let mut tx = session.begin().await?;
    let cleaned = clean_some(&mut tx.0, retention, &Operator::SYSTEM).await?;
    tx.commit().await?;
    Ok(cleaned)
}

/// Takes steps until nothing is past its retention, or `MAX_STEPS_PER_REQUEST` were taken, and records who
/// asked.
///
/// # Errors
/// If Postgres is away, or the retention is shorter than decided jobs must be kept; steps that were done stay done.
pub async fn clean(pool: &Pool, retention: &Retention, by: &Operator<'_>) -> Result<Cleaned, StoreError> {
    let detail = json!({
        "jobsOlderThanDays": retention.job_days,
        "rejectedOlderThanDays": retention.rejected_days,
        "parkedLongerThanDays": retention.parked_days,
        "eventsOlderThanDays": retention.event_days,
    });
    let mut sum = Cleaned::default();
    for step in 0..MAX_STEPS_PER_REQUEST {
        let mut tx = pool.0.begin().await?;
        limit_statements(&mut tx, STATEMENT_TIMEOUT_MS).await?;
        if step == 0 {
            // With the first step, so that whatever ends the request later, it is known who began.
            actions::record(&mut tx, by, Action::CLEAN, None, &detail).await?;
        }
        let cleaned = clean_some(&mut tx, retention, by).await?;
        tx.commit().await?;
        sum += cleaned;
        if !sum.has_more {
            break;
        }
    }
    Ok(sum)
}

async fn clean_some(
    connection: &mut PgConnection,
    retention: &Retention,
    by: &Operator<'_>,
) -> Result<Cleaned, StoreError> {
    let forgotten = sqlx::query!(
        r#"SELECT removed AS "removed!", has_more AS "has_more!" FROM forget_jobs($1, $2, $3)"#,
        days(retention.job_days),
        days(retention.rejected_days),
        MAX_JOBS_PER_STEP,
    )
    .fetch_one(&mut *connection)
    .await?;
    let archived = failed::expire(connection, days(retention.parked_days), MAX_ARCHIVED_PER_STEP, by).await?;
    let (events, has_more_events) = forget_events(connection, retention).await?;
    let given_up = retention::give_up_runs(connection, days(retention.event_days)).await?;
    let runs = retention::forget_runs(connection, days(retention.event_days)).await?;
    retention::forget_paces(connection).await?;
    let most_runs = retention::MAX_PER_STEP.unsigned_abs();
    Ok(Cleaned {
        removed: forgotten.removed.try_into().unwrap_or_default(),
        archived: archived.try_into().unwrap_or_default(),
        events,
        runs,
        given_up,
        has_more: forgotten.has_more
            || archived == MAX_ARCHIVED_PER_STEP
            || has_more_events
            || runs.max(given_up) >= most_runs,
    })
}

/// How many events were forgotten, and whether there may be more.
async fn forget_events(connection: &mut PgConnection, retention: &Retention) -> Result<(u64, bool), StoreError> {
    let forgotten = sqlx::query!(
        r#"SELECT removed AS "removed!", has_more AS "has_more!" FROM forget_events($1, $2)"#,
        days(retention.event_days),
        MAX_EVENTS_PER_STEP,
    )
    .fetch_one(connection)
    .await?;
    Ok((forgotten.removed.try_into().unwrap_or_default(), forgotten.has_more))
}

fn days(days: u32) -> i32 {
    days.try_into().unwrap_or(i32::MAX)
}
