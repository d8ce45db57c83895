//! What a run does, step by step, and how it ends. Everything is written only while the run is in the attempt, begun under
//! the epoch, that the writer knows: what another worker has taken over is not the writer's any more.

use chrono::{DateTime, Utc};
use satchel_model::events::{EventType, FunctionFailed};
use satchel_model::ids::{FunctionId, RunId};
use satchel_model::records::Event;
use serde_json::value::RawValue;
use sqlx::types::Json;

use super::claims::Claimed;
use crate::batch::progress::{self, Progress};
use crate::parked;
use crate::reads::events;
use crate::{Pool, StoreError, Tx};

/// Most failures kept of one run; the oldest go first.
pub const MAX_KEPT_FAILURES: i32 = 10;

/// The longest result that operators are shown, in bytes: a run may have a thousand.
pub const MAX_SHOWN_BYTES: i32 = 16 * 1024;

/// Which step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StepKey {
    /// SHA-256 of the step's id.
    pub hash: [u8; 32],
    /// Which use of the id in the run, counted from 0.
    pub nth: i32,
}

/// What a step has resulted in.
#[derive(Debug, Clone)]
pub struct SavedStep {
    /// The step.
    pub key: StepKey,
    /// Its result.
    pub result: Box<RawValue>,
}

/// What came of saving a step.
#[derive(Debug, Clone)]
pub enum Saved {
    /// The result that counts: this one, or an earlier one.
    Result(Box<RawValue>),
    /// As before, and an operator has asked for the run's end.
    Cancelled,
    /// The run is not the writer's any more.
    Lost,
}

/// How an attempt ends.
#[derive(Debug, Clone)]
pub enum Ending {
    /// The run is done.
    Succeeded,
    /// An operator has ended it.
    Cancelled,
    /// It goes on at that moment.
    Sleeping(DateTime<Utc>),
    /// It is begun anew at that moment, as if it had not been begun now.
    PutOff(DateTime<Utc>),
    /// It is tried again at that moment.
    Retrying(DateTime<Utc>, String),
    /// It failed for good.
    Failed(String),
}

/// What an attempt begins with.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The run's event, if it is still kept.
    pub event: Option<Event>,
    /// The steps that it has done.
    pub steps: Vec<SavedStep>,
}

/// Reads what an attempt begins with.
///
/// # Errors
/// If Postgres is away.
pub async fn load(pool: &Pool, run: &Claimed) -> Result<Loaded, StoreError> {
    let event = events::find(pool, run.event).await?;
    let rows = sqlx::query!(
        r#"SELECT step_hash, nth, result AS "result: Json<Box<RawValue>>" FROM function_steps WHERE run_id = $1"#,
        run.run_id.as_uuid(),
    )
    .fetch_all(&pool.0)
    .await?;
    let saved = rows.into_iter().filter_map(|row| {
        let key = StepKey { hash: row.step_hash.try_into().ok()?, nth: row.nth };
        Some(SavedStep { key, result: row.result.0 })
    });
    Ok(Loaded { event, steps: saved.collect() })
}

/// Saves a step's result, unless there is one already.
///
/// # Errors
/// If Postgres is away.
pub async fn save(
    pool: &Pool,
    run: &Claimed,
    key: &StepKey,
    step_id: &str,
    result: &RawValue,
) -> Result<Saved, StoreError> {
    let row = sqlx::query!(
        r#"WITH mine AS (
               SELECT shard, is_cancelled
               FROM function_runs
               WHERE run_id = $1 AND status = 'running' AND epoch = $2 AND attempts = $7
           ), added AS (
               INSERT INTO function_steps (run_id, shard, step_hash, nth, step_id, result)
               SELECT $1, shard, $3, $4, $5, $6::text::json
               FROM mine
               ON CONFLICT (run_id, step_hash, nth, shard) DO NOTHING
               RETURNING result
           )
           SELECT is_cancelled,
                  COALESCE((SELECT result FROM added), (
                      SELECT result FROM function_steps WHERE run_id = $1 AND step_hash = $3 AND nth = $4
                  )) AS "result: Json<Box<RawValue>>"
           FROM mine"#,
        run.run_id.as_uuid(),
        run.epoch,
        &key.hash[..],
        key.nth,
        step_id,
        result.get(),
        run.attempts,
    )
    .fetch_optional(&pool.0)
    .await?;
    Ok(match row {
        None => Saved::Lost,
        Some(row) if row.is_cancelled => Saved::Cancelled,
        // It was added under this statement's eyes by another one: then that one's counts at the next look.
        Some(row) => row.result.map_or(Saved::Lost, |result| Saved::Result(result.0)),
    })
}

/// Ends an attempt; `false` if the run is not the writer's any more. A run that failed for good is told of, unless it was
/// itself for such an event.
///
/// # Errors
/// If Postgres is away.
pub async fn finish(
    pool: &Pool,
    function_id: &FunctionId,
    run: &Claimed,
    event_id: Option<&str>,
    ending: &Ending,
) -> Result<bool, StoreError> {
    let (status, due_at, error) = match ending {
        Ending::Succeeded => ("succeeded", None, None),
        Ending::Cancelled => ("cancelled", None, None),
        Ending::Sleeping(until) | Ending::PutOff(until) => ("sleeping", Some(*until), None),
        Ending::Retrying(until, error) => ("retrying", Some(*until), Some(error)),
        Ending::Failed(error) => ("failed", None, Some(error)),
    };
    let mut tx = Tx(pool.0.begin().await?);
    let now = sqlx::query_scalar!(
        r#"UPDATE function_runs
           SET status = CASE WHEN is_cancelled AND $4::timestamptz IS NOT NULL THEN 'cancelled' ELSE $3 END,
               attempts = attempts - CASE WHEN $7 THEN 1 ELSE 0 END,
               tries = tries + CASE WHEN $5::text IS NULL THEN 0 ELSE 1 END,
               failures = CASE WHEN $5 IS NULL THEN failures ELSE
                   (CASE WHEN jsonb_array_length(failures) >= $6 THEN failures - 0 ELSE failures END)
                   || jsonb_build_object('at', clock_timestamp(), 'error', $5) END,
               due_at = COALESCE($4, due_at),
               finished_at = CASE WHEN is_cancelled OR $4 IS NULL THEN clock_timestamp() END
           WHERE run_id = $1 AND status = 'running' AND epoch = $2 AND attempts = $8
           RETURNING clock_timestamp() AS "now!""#,
        run.run_id.as_uuid(),
        run.epoch,
        status,
        due_at,
        error.map(|error| parked::kept(error)),
        MAX_KEPT_FAILURES,
        matches!(ending, Ending::PutOff(_)),
        run.attempts,
    )
    .fetch_optional(&mut *tx.0)
    .await?;
    let Some(now) = now else { return Ok(false) };
    if let Ending::Failed(_) = ending
        && run.event_name != FunctionFailed::NAME
    {
        let failed = FunctionFailed {
            function_id: function_id.to_string(),
            run_id: run.run_id.as_uuid(),
            target: Some(run.target.clone()).filter(|target| !target.is_empty()),
            event_id: event_id.map(ToOwned::to_owned),
            event: run.event_name.clone(),
            attempts: run.attempts,
            code: FunctionFailed::RUN_FAILED.to_owned(),
        };
        let told = run.new_event(&mut tx, failed.emission()).await?;
        progress::write(&mut tx, Progress { events: &[told], ..Progress::none(now) }).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// A step, as operators see it.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What the function calls it.
    pub id: String,
    /// Which use of that id, counted from 0.
    pub nth: i32,
    /// When it was done.
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub saved_at: DateTime<Utc>,
    /// What it resulted in; not told if it is longer than [`MAX_SHOWN_BYTES`].
    pub result: Option<Box<RawValue>>,
    /// How long that is, in bytes of JSON.
    pub result_bytes: i32,
}

/// The steps that a run has done, in order.
///
/// # Errors
/// If Postgres is away.
pub async fn of_run(pool: &Pool, run_id: RunId) -> Result<Vec<Step>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT step_id, nth, saved_at, octet_length(result::text) AS "result_bytes!",
                  CASE WHEN octet_length(result::text) <= $2 THEN result END AS "result: Json<Box<RawValue>>"
           FROM function_steps
           WHERE run_id = $1
           ORDER BY saved_at, step_id, nth"#,
        run_id.as_uuid(),
        MAX_SHOWN_BYTES,
    )
    .fetch_all(&pool.0)
    .await?;
    let step = rows.into_iter().map(|row| Step {
        id: row.step_id,
        nth: row.nth,
        saved_at: row.saved_at,
        result: row.result.map(|result| result.0),
        result_bytes: row.result_bytes,
    });
    Ok(step.collect())
}
