//! What every batch is decided under: which catalogue is in force, and whether jobs are applied at all.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{Session, StoreError, Tx};

/// What is waited for in a transaction that is under the rules, statement by statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Longest wait for a row that another session holds, in milliseconds. A player's rows are its shard's worker's alone,
    /// but for a moment of an operator's: what waits longer is better left, so that others go on.
    row_lock_ms: u32,
    /// Longest run of a statement, in milliseconds.
    statement_ms: u32,
}

impl Patience {
    /// With a batch.
    pub const BATCH: Self = Self { row_lock_ms: 1_000, statement_ms: 5_000 };
    /// With a part of one that failed, while others wait for it.
    pub const PART: Self = Self { row_lock_ms: 200, statement_ms: 1_000 };
    /// With a job alone: it cannot be made smaller.
    pub const ALONE: Self = Self { row_lock_ms: 200, statement_ms: 5_000 };
}

/// Opens a transaction under which the rules stay as they are: it holds a lock on the table `rules_gate`
/// (`migrations/0003_catalogue.sql`), which [`change`] waits for; [`crate::shards::leases::fence`] says what they are.
///
/// # Errors
/// If Postgres is away, or the rules are being changed for longer than Postgres lets anyone wait.
pub async fn begin(session: &mut Session, patience: Patience) -> Result<Tx<'_>, StoreError> {
    // One message. The rules must be read by a later statement: one that waited for the lock would still see what was
    // there before it.
    let Patience { row_lock_ms, statement_ms } = patience;
    let statements = format!(
        "BEGIN; LOCK TABLE rules_gate IN ROW EXCLUSIVE MODE;
         SET LOCAL lock_timeout = {row_lock_ms}; SET LOCAL statement_timeout = {statement_ms}"
    );
    Ok(Tx(session.connection().await?.begin_with(AssertSqlSafe(statements)).await?))
}

/// Waits for the batches in flight and keeps others from beginning until the transaction ends, so that the rules may
/// be changed.
pub(crate) async fn change(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query!("SELECT FROM change_rules()").execute(connection).await?;
    Ok(())
}
