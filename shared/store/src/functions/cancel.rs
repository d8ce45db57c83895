//! Runs that nobody wants any more, ended many at once: by an operator's filter, or by their function's policy, in bounded
//! portions.
//!
//! Each portion locks the function's row, as who begins runs does, so that two of them never wait for each other's runs.
//! Where users' runs go on in order, those that are held end first, and so none is queued to be ended at once.

use std::time::Duration;

use chrono::{DateTime, Utc};
use satchel_model::ids::{EventName, FunctionId, UserId};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::RunStatus;
use crate::actions::{self, Action, Operator};
use crate::db::session::limit_statements;
use crate::{Pool, Session, StoreError, Tx};

/// Most runs that one transaction ends.
pub const MAX_PER_PORTION: i64 = 1_000;
/// Most portions of one request.
const MAX_PORTIONS: usize = 10;
/// Most runs that are counted: where it says so many, there may be more.
pub const MAX_COUNTED: i64 = super::backlog::MAX_COUNTED;
/// Longest run of one statement, in milliseconds: a filter may fit few runs among many.
const STATEMENT_TIMEOUT_MS: u32 = 30_000;

/// Which of a function's runs that have not ended are meant; all that is given must fit.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// With this status.
    pub status: Option<RunStatus>,
    /// For this target.
    pub target: Option<String>,
    /// About this user.
    pub user_id: Option<UserId>,
    /// For events of this name.
    pub event_name: Option<EventName>,
    /// Made at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Made before this moment.
    pub to: Option<DateTime<Utc>>,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled {
    /// Runs ended, or told to end before their next step.
    pub cancelled: u64,
    /// Runs that fit as well and are left for another request, counted up to [`MAX_COUNTED`].
    pub remaining: i64,
}

impl Filter {
    /// Those of which statuses, in the order in which they end.
    fn statuses(&self) -> Vec<RunStatus> {
        let all = RunStatus::UNFINISHED.into_iter();
        all.filter(|status| self.status.is_none_or(|wanted| wanted == *status)).collect()
    }
}

/// How many runs fit, counted up to [`MAX_COUNTED`]: those that an operator has ended before, and that only have not come
/// to their next step yet, do not.
///
/// # Errors
/// If Postgres is away, or takes too long.
pub async fn count(pool: &Pool, function_id: &FunctionId, filter: &Filter) -> Result<i64, StoreError> {
    let mut tx = Tx(pool.0.begin().await?);
    limit_statements(&mut tx.0, STATEMENT_TIMEOUT_MS).await?;
    count_in(&mut tx, function_id, filter).await
}

async fn count_in(tx: &mut Tx<'_>, function_id: &FunctionId, filter: &Filter) -> Result<i64, StoreError> {
    let statuses: Vec<&str> = filter.statuses().into_iter().map(RunStatus::as_str).collect();
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!"
           FROM (
               SELECT
               FROM function_runs
               WHERE function_id = $1 AND status = ANY($2) AND finished_at IS NULL AND NOT is_cancelled
                 AND ($3::text IS NULL OR target = $3)
                 AND ($4::text IS NULL OR user_id = $4)
                 AND ($5::text IS NULL OR event_name = $5)
                 AND created_at >= COALESCE($6::timestamptz, '-infinity') AND created_at < COALESCE($7::timestamptz, 'infinity')
               LIMIT $8
           ) AS few"#,
        function_id.as_str(),
        &statuses as &[&str],
        filter.target,
        filter.user_id.as_ref().map(UserId::as_str),
        filter.event_name.as_ref().map(EventName::as_str),
        filter.from,
        filter.to,
        MAX_COUNTED,
    );
    Ok(count.fetch_one(&mut *tx.0).await?)
}

/// Ends runs that fit, as many as one request may: at once if they wait, before their next step if they go on. Each portion
/// is recorded in its own transaction.
///
/// # Errors
/// If Postgres is away, or takes too long; portions that were done stay done.
pub async fn cancel(
    pool: &Pool,
    function_id: &FunctionId,
    filter: &Filter,
    reason: Option<&str>,
    by: &Operator<'_>,
) -> Result<Cancelled, StoreError> {
    let mut sum = Cancelled { cancelled: 0, remaining: 0 };
    let mut statuses = filter.statuses().into_iter();
    let mut status = statuses.next();
    let mut after = None;
    for _ in 0..MAX_PORTIONS {
        let mut portion = Vec::new();
        let mut tx = Tx(pool.0.begin().await?);
        limit_statements(&mut tx.0, STATEMENT_TIMEOUT_MS).await?;
        lock(&mut tx, function_id).await?;
        while let Some(wanted) = status {
            portion = some(&mut tx, function_id, wanted, filter, after).await?;
            if !portion.is_empty() {
                break;
            }
            (status, after) = (statuses.next(), None);
        }
        if portion.is_empty() {
            break;
        }
        after = portion.last().map(|run| (run.created_at, run.run_id));
        let cancelled = end(&mut tx.0, &ids(&portion), reason).await?;
        let detail = json!({
            "functionId": function_id, "status": filter.status, "target": filter.target, "userId": filter.user_id,
            "name": filter.event_name, "from": filter.from, "to": filter.to, "reason": reason, "cancelled": cancelled,
        });
        actions::record(&mut tx.0, by, Action::CANCEL_RUNS, None, &detail).await?;
        tx.commit().await?;
        sum.cancelled += cancelled;
    }
    sum.remaining = count(pool, function_id, filter).await?;
    Ok(sum)
}

/// A run that is to end.
struct Chosen {
    run_id: Uuid,
    created_at: DateTime<Utc>,
}

fn ids(chosen: &[Chosen]) -> Vec<Uuid> {
    chosen.iter().map(|run| run.run_id).collect()
}

async fn lock(tx: &mut Tx<'_>, function_id: &FunctionId) -> Result<(), StoreError> {
    sqlx::query!("SELECT FROM functions WHERE function_id = $1 FOR NO KEY UPDATE", function_id.as_str())
        .fetch_optional(&mut *tx.0)
        .await?;
    Ok(())
}

/// The next portion of those with this status, the oldest first, locked.
async fn some(
    tx: &mut Tx<'_>,
    function_id: &FunctionId,
    status: RunStatus,
    filter: &Filter,
    after: Option<(DateTime<Utc>, Uuid)>,
) -> Result<Vec<Chosen>, StoreError> {
    let chosen = sqlx::query_as!(
        Chosen,
        "SELECT run_id, created_at
         FROM function_runs
         WHERE function_id = $1 AND status = $2 AND finished_at IS NULL AND NOT is_cancelled
           AND (created_at, run_id) > (COALESCE($3::timestamptz, '-infinity'), $4)
           AND ($5::text IS NULL OR target = $5)
           AND ($6::text IS NULL OR user_id = $6)
           AND ($7::text IS NULL OR event_name = $7)
           AND created_at >= COALESCE($8::timestamptz, '-infinity') AND created_at < COALESCE($9::timestamptz, 'infinity')
         ORDER BY created_at, run_id
         LIMIT $10
         FOR NO KEY UPDATE SKIP LOCKED",
        function_id.as_str(),
        status.as_str(),
        after.map(|(created_at, _)| created_at),
        after.map_or(Uuid::nil(), |(_, run_id)| run_id),
        filter.target,
        filter.user_id.as_ref().map(UserId::as_str),
        filter.event_name.as_ref().map(EventName::as_str),
        filter.from,
        filter.to,
        MAX_PER_PORTION,
    );
    Ok(chosen.fetch_all(&mut *tx.0).await?)
}

/// Ends runs, at once if they wait, before their next step if they go on; how many.
pub(crate) async fn end(
    connection: &mut PgConnection,
    run_ids: &[Uuid],
    reason: Option<&str>,
) -> Result<u64, StoreError> {
    let ended = sqlx::query_scalar!(r#"SELECT cancel_runs($1, $2) AS "ended!""#, run_ids, reason);
    Ok(ended.fetch_one(connection).await?.unsigned_abs())
}

/// Ends a portion of the runs of a function that are older than its policy wants them, the oldest first; how many, and
/// whether there may be more. Not those that a worker is at, those that have begun and sleep, nor those that an operator has
/// had go on.
///
/// # Errors
/// If Postgres is away.
pub async fn drop_old(
    session: &mut Session,
    function_id: &FunctionId,
    max_age: Duration,
) -> Result<(u64, bool), StoreError> {
    let mut tx = session.begin().await?;
    lock(&mut tx, function_id).await?;
    let mut dropped = Vec::new();
    // Held ones first, as above.
    for status in [RunStatus::Held, RunStatus::Queued, RunStatus::Retrying, RunStatus::Sleeping] {
        let left = MAX_PER_PORTION - i64::try_from(dropped.len()).unwrap_or(MAX_PER_PORTION);
        let old = sqlx::query_as!(
            Chosen,
            "SELECT run_id, created_at
             FROM function_runs
             WHERE function_id = $1 AND status = $2 AND finished_at IS NULL AND is_wanted IS NULL
               AND created_at < now() - make_interval(secs => $3)
               AND (status <> 'sleeping' OR attempts = 0)
             ORDER BY created_at, run_id
             LIMIT $4
             FOR NO KEY UPDATE SKIP LOCKED",
            function_id.as_str(),
            status.as_str(),
            max_age.as_secs_f64(),
            left,
        );
        dropped.extend(old.fetch_all(&mut *tx.0).await?);
    }
    if dropped.is_empty() {
        // A transaction that is only dropped keeps its lock until the session is used again.
        tx.commit().await?;
        return Ok((0, false));
    }
    let reason = format!("dropped by the function's policy: older than {} s", max_age.as_secs());
    let count = end(&mut tx.0, &ids(&dropped), Some(&reason)).await?;
    tx.commit().await?;
    Ok((count, i64::try_from(dropped.len()).unwrap_or(i64::MAX) >= MAX_PER_PORTION))
}
