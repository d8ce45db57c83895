//! The clock that all programs go by.

use chrono::{DateTime, Utc};

use crate::{Pool, StoreError};

/// What time it is, by Postgres.
///
/// # Errors
/// If Postgres is away.
pub async fn now(pool: &Pool) -> Result<DateTime<Utc>, StoreError> {
    let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#);
    Ok(now.fetch_one(&pool.0).await?)
}
