//! What of functions waits, and for how long; counted from an index, and no further than [`MAX_COUNTED`].

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::types::Json;

use super::RunStatus;
use crate::db::stored::Unreadable;
use crate::{Pool, StoreError};

/// Most runs of a function that are counted of each status: where it says so many, there may be more.
pub const MAX_COUNTED: i64 = 100_000;

/// A function, as operators see it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionInfo {
    /// Its id.
    pub function_id: String,
    /// When a worker last said that it runs it.
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub seen_at: DateTime<Utc>,
    /// What it listens to, and its limits.
    #[serde(flatten)]
    pub description: Map<String, Value>,
    /// Whether its runs may begin.
    #[serde(flatten)]
    pub pause: Pause,
    /// How many runs have not ended.
    #[serde(flatten)]
    pub backlog: Backlog,
}

/// Whether a function's runs may begin, and who has said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// Whether none begins.
    #[serde(rename = "paused")]
    pub is_paused: bool,
    /// When that was last said; `None` if nobody ever did.
    #[serde(rename = "pauseChangedAt", skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub changed_at: Option<DateTime<Utc>>,
    /// By whom: `role:subject`.
    #[serde(rename = "pauseChangedBy", skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
    /// Why, in the operator's words.
    #[serde(rename = "pauseReason", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A function's runs that have not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backlog {
    /// All of them.
    pub unfinished: i64,
    /// Those that wait, whatever for.
    pub backlog: i64,
    /// How long the oldest of those has waited that wait for their turn or for another try, in milliseconds. (Those that
    /// sleep do so until a moment that is known.)
    pub lag_ms: Option<i64>,
    /// Runs by status, where there are any.
    pub runs: BTreeMap<&'static str, i64>,
}

impl Backlog {
    fn add(&mut self, status: RunStatus, runs: i64, age_ms: Option<i64>) {
        if runs == 0 {
            return;
        }
        self.unfinished += runs;
        self.runs.insert(status.as_str(), runs);
        if status != RunStatus::Running {
            self.backlog += runs;
            if status != RunStatus::Sleeping {
                self.lag_ms = self.lag_ms.max(age_ms.map(|age| age.max(0)));
            }
        }
    }
}

/// All functions that workers have ever run.
///
/// # Errors
/// If Postgres is away.
pub async fn functions(pool: &Pool) -> Result<Vec<FunctionInfo>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT function_id, seen_at, is_paused, pause_changed_at, pause_changed_by, pause_reason,
                  description AS "description: Json<Map<String, Value>>"
           FROM functions
           ORDER BY function_id"#
    )
    .fetch_all(&pool.0)
    .await?;
    let mut backlogs = backlogs(pool).await?;
    let function = rows.into_iter().map(|row| FunctionInfo {
        backlog: backlogs.remove(&row.function_id).unwrap_or_default(),
        function_id: row.function_id,
        seen_at: row.seen_at,
        description: row.description.0,
        pause: Pause {
            is_paused: row.is_paused,
            changed_at: row.pause_changed_at,
            changed_by: row.pause_changed_by,
            reason: row.pause_reason,
        },
    });
    Ok(function.collect())
}

/// What waits of each function.
async fn backlogs(pool: &Pool) -> Result<HashMap<String, Backlog>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT functions.function_id, statuses.status AS "status!", counted.runs AS "runs!",
                  (EXTRACT(EPOCH FROM clock_timestamp() - oldest.created_at) * 1000)::bigint AS age_ms
           FROM functions
           CROSS JOIN UNNEST($1::text[]) AS statuses (status)
           CROSS JOIN LATERAL (
               SELECT count(*) AS runs
               FROM (
                   SELECT
                   FROM function_runs
                   WHERE function_runs.function_id = functions.function_id AND function_runs.status = statuses.status
                     AND finished_at IS NULL
                   LIMIT $2
               ) AS few
           ) AS counted
           LEFT JOIN LATERAL (
               SELECT created_at
               FROM function_runs
               WHERE function_runs.function_id = functions.function_id AND function_runs.status = statuses.status
                 AND finished_at IS NULL
               ORDER BY created_at
               LIMIT 1
           ) AS oldest ON true"#,
        &RunStatus::UNFINISHED.map(RunStatus::as_str) as &[&str],
        MAX_COUNTED,
    )
    .fetch_all(&pool.0)
    .await?;
    let mut backlogs: HashMap<String, Backlog> = HashMap::new();
    for row in rows {
        let status = RunStatus::parse(&row.status).ok_or_else(|| Unreadable::new("status", &row.status))?;
        backlogs.entry(row.function_id).or_default().add(status, row.runs, row.age_ms);
    }
    Ok(backlogs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_no_backlog_and_what_sleeps_no_lag() {
        let mut backlog = Backlog::default();
        backlog.add(RunStatus::Running, 3, Some(9_000));
        backlog.add(RunStatus::Sleeping, 2, Some(8_000));
        backlog.add(RunStatus::Retrying, 0, None);
        assert_eq!((backlog.unfinished, backlog.backlog, backlog.lag_ms), (5, 2, None));
        backlog.add(RunStatus::Queued, 4, Some(700));
        backlog.add(RunStatus::Held, 1, Some(600));
        assert_eq!((backlog.unfinished, backlog.backlog, backlog.lag_ms), (10, 7, Some(700)));
        assert_eq!(backlog.runs.get("queued"), Some(&4));
        assert_eq!(backlog.runs.get("retrying"), None);
    }
}
