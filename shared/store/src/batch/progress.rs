//! What a batch has decided, as it is written: records, where ledgers end, holdings, counters and events. (`migrations/0011_batches.sql`)

use chrono::{DateTime, Utc};
use sqlx::Error;
use uuid::Uuid;

use super::columns::{Columns, query_with};
pub use super::outcome::{Progress, ShardCounts};
use crate::{StoreError, Tx};

/// What keeps a job from being decided twice: in one shard, and in two.
const ONE_DECISION: [&str; 2] = ["records_job", "job_claims_pkey"];
/// The SQLSTATE of a holding that is not as it was found.
const CHANGED: &str = "SA001";

/// Writes it.
///
/// # Errors
/// If Postgres is away; [`StoreError::Decided`] if a job was decided before; [`StoreError::Changed`] if a holding is not as it was
/// found.
pub async fn write(tx: &mut Tx<'_>, progress: Progress<'_>) -> Result<(), StoreError> {
    let columns = Columns::of(progress, &[]);
    query_with!(
        [columns]
        "SELECT FROM apply_batch(
                NULL, NULL, NULL, NULL, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
                $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28,
                $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40
         )"
    )
    .execute(&mut *tx.0)
    .await
    .map_err(refused)?;
    Ok(())
}

/// What Postgres refuses of a batch's writes.
pub(super) fn refused(error: Error) -> StoreError {
    match &error {
        Error::Database(refusal) if refusal.constraint().is_some_and(|name| ONE_DECISION.contains(&name)) => {
            StoreError::Decided
        }
        Error::Database(refusal) if refusal.code().as_deref() == Some(CHANGED) => StoreError::Changed,
        _ => error.into(),
    }
}
