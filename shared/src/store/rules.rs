//! What every batch is decided under: which catalogue is in force, and whether jobs are applied at all.

use sqlx::PgConnection;

use super::{StoreError, Tx};

/// The advisory lock that orders batches and changes of their rules: a batch holds it shared from before it reads them
/// until it has committed, so that no item is granted by a catalogue that has just been replaced, and nothing is
/// applied once pausing has been answered.
const RULES_LOCK: i64 = 0x5341_5443_4845_4c01;

/// Longest wait, from then on, for a row that another session holds, in milliseconds. A player's rows are its shard's
/// worker's alone, but for a moment of an operator's: what waits longer is better left, so that others go on.
const ROW_LOCK_TIMEOUT_MS: u32 = 1_000;

/// What stays as it is until the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The catalogue in force; 0 if none was ever published.
    pub catalogue_version: i64,
    /// Whether an operator has paused the queue.
    pub is_paused: bool,
}

/// Holds the rules as they are, and says what they are. From then on the transaction waits for no row longer than
/// [`ROW_LOCK_TIMEOUT_MS`].
///
/// # Errors
/// If Postgres is away.
pub async fn hold(tx: &mut Tx<'_>) -> Result<Rules, StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock_shared($1)", RULES_LOCK).execute(&mut *tx.0).await?;
    // A statement of its own: one that waited for the lock would still see what was there before it.
    let rules = sqlx::query!(
        r#"SELECT (SELECT COALESCE(max(version), 0) FROM catalogue_versions) AS "catalogue_version!", is_paused,
                  set_config('lock_timeout', $1, true)
           FROM queue_state
           WHERE singleton"#,
        ROW_LOCK_TIMEOUT_MS.to_string(),
    )
    .fetch_one(&mut *tx.0)
    .await?;
    Ok(Rules { catalogue_version: rules.catalogue_version, is_paused: rules.is_paused })
}

/// Waits for the batches in flight and keeps others from beginning until the transaction ends, so that the rules may
/// be changed.
pub(super) async fn change(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", RULES_LOCK).execute(connection).await?;
    Ok(())
}
