//! Whether Postgres takes writes.

use sqlx::Error;

use crate::{Pool, StoreError};

/// Writes a row that means nothing. Where another session is writing it at this moment, that says enough.
///
/// # Errors
/// If Postgres is away or takes no writes.
pub async fn try_write(pool: &Pool) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE readiness
         SET checked_at = clock_timestamp()
         WHERE singleton IN (SELECT singleton FROM readiness FOR UPDATE SKIP LOCKED)"
    )
    .execute(&pool.0)
    .await?;
    Ok(())
}

impl StoreError {
    /// What anyone may know of why Postgres is not ready: no addresses, no users.
    #[must_use]
    pub fn told(&self) -> &'static str {
        let Self::Database(Error::Database(error)) = self else { return "it does not answer" };
        match error.code().as_deref() {
            Some("25006") => "it is read-only",
            Some("53100") => "its disk is full",
            _ => "it answers with an error",
        }
    }
}
