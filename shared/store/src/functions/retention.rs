//! What of functions is past its time.

use sqlx::PgConnection;

use super::listeners::LISTENING_MINUTES;
use crate::StoreError;

/// Most runs that one step ends or forgets, and most keys whose rates it forgets.
pub(crate) const MAX_PER_STEP: i64 = 10_000;

/// Forgets runs that ended longer ago, with their steps; how many.
pub(crate) async fn forget_runs(connection: &mut PgConnection, days: i32) -> Result<u64, StoreError> {
    let forgotten = sqlx::query_scalar!(r#"SELECT forget_runs($1, $2) AS "forgotten!""#, days, MAX_PER_STEP);
    Ok(forgotten.fetch_one(connection).await?.unsigned_abs())
}

/// Fails runs whose function no worker has run for so long, while others were there: nobody will ever do them, and while
/// they wait, their events are kept. How many.
pub(crate) async fn give_up_runs(connection: &mut PgConnection, days: i32) -> Result<u64, StoreError> {
    let error = format!("no worker has run the function for {days} days");
    let given_up = sqlx::query_scalar!(
        r#"SELECT give_up_runs($1, $2, $3, $4) AS "given_up!""#,
        days,
        LISTENING_MINUTES,
        error,
        MAX_PER_STEP,
    );
    Ok(given_up.fetch_one(connection).await?.unsigned_abs())
}

/// Forgets rates of keys that have rested: without a row they are as good as new.
pub(crate) async fn forget_paces(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("SELECT FROM forget_paces($1)", MAX_PER_STEP).execute(connection).await?;
    Ok(())
}
