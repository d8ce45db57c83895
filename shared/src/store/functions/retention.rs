//! What of functions is past its time.

use serde_json::json;
use sqlx::PgConnection;

use super::listeners::LISTENING_MINUTES;
use crate::store::StoreError;

/// Most runs that one step ends or forgets, and most keys whose rates it forgets.
pub(in crate::store) const MAX_PER_STEP: i64 = 10_000;

/// Forgets runs that ended longer ago, with their steps; how many.
pub(in crate::store) async fn forget_runs(connection: &mut PgConnection, days: i32) -> Result<u64, StoreError> {
    let forgotten = sqlx::query!(
        "WITH gone AS (
             DELETE FROM function_runs
             WHERE run_id IN (
                 SELECT run_id
                 FROM function_runs
                 WHERE finished_at < now() - make_interval(days => $1)
                 ORDER BY finished_at
                 LIMIT $2
                 FOR UPDATE SKIP LOCKED
             )
             RETURNING run_id
         ), steps AS (
             DELETE FROM function_steps USING gone WHERE function_steps.run_id = gone.run_id
         )
         SELECT run_id FROM gone",
        days,
        MAX_PER_STEP,
    )
    .fetch_all(connection)
    .await?;
    Ok(forgotten.len() as u64)
}

/// Fails runs whose function no worker has run for so long, while others were there: nobody will ever do them, and while
/// they wait, their events are kept. How many.
pub(in crate::store) async fn give_up_runs(connection: &mut PgConnection, days: i32) -> Result<u64, StoreError> {
    let error = format!("no worker has run the function for {days} days");
    let given_up = sqlx::query!(
        "UPDATE function_runs
         SET status = 'failed', finished_at = clock_timestamp(),
             failures = failures || (jsonb_build_object('at', clock_timestamp()) || $2)
         WHERE run_id IN (
             SELECT run_id
             FROM function_runs
             WHERE finished_at IS NULL AND function_id IN (
                 SELECT function_id FROM functions WHERE seen_at < now() - make_interval(days => $1)
             ) AND EXISTS (
                 SELECT FROM live_workers WHERE alive_since < clock_timestamp() - make_interval(mins => $4)
             )
             LIMIT $3
             FOR NO KEY UPDATE SKIP LOCKED
         )",
        days,
        json!({ "error": error }),
        MAX_PER_STEP,
        LISTENING_MINUTES,
    )
    .execute(connection)
    .await?;
    Ok(given_up.rows_affected())
}

/// Forgets rates of keys that have rested: without a row they are as good as new.
pub(in crate::store) async fn forget_paces(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!(
        "DELETE FROM function_paces
         WHERE (function_id, key) IN (
             SELECT function_id, key
             FROM function_paces
             WHERE spent_until < clock_timestamp()
             LIMIT $1
             FOR UPDATE SKIP LOCKED
         )",
        MAX_PER_STEP,
    )
    .execute(connection)
    .await?;
    Ok(())
}
