//! Whether jobs are applied: an operator may pause the queue. Jobs are accepted all the same.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::actions::{self, Action, Operator};
use crate::batch::rules;
use crate::{Pool, Session, StoreError};

/// The queue's state and who brought it about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueState {
    /// Whether no jobs are applied.
    pub is_paused: bool,
    /// When that was last said; `None` if nobody ever did.
    pub changed_at: Option<DateTime<Utc>>,
    /// By whom: `role:subject`.
    pub changed_by: Option<String>,
    /// Why, in the operator's words.
    pub reason: Option<String>,
}

/// The queue's state.
///
/// # Errors
/// If Postgres is away.
pub async fn state(pool: &Pool) -> Result<QueueState, StoreError> {
    let state = sqlx::query_as!(
        QueueState,
        "SELECT is_paused, changed_at, changed_by, reason FROM queue_state WHERE singleton"
    );
    Ok(state.fetch_one(&pool.0).await?)
}

/// Whether the queue is paused. Only [`rules::hold`] says so for the time of a transaction.
///
/// # Errors
/// If Postgres is away.
pub async fn is_paused(session: &mut Session) -> Result<bool, StoreError> {
    let is_paused = sqlx::query_scalar!("SELECT is_paused FROM queue_state WHERE singleton");
    Ok(is_paused.fetch_one(session.connection().await?).await?)
}

/// Pauses the queue or lets it go on, and records who did. Waits for the batches in flight: after it nothing is
/// applied while the queue is paused.
///
/// # Errors
/// If Postgres is away, or a batch takes longer than the lock timeout.
pub async fn set(pool: &Pool, paused: bool, reason: Option<&str>, by: &Operator<'_>) -> Result<QueueState, StoreError> {
    let mut tx = pool.0.begin().await?;
    rules::change(&mut tx).await?;
    let state = sqlx::query_as!(
        QueueState,
        r#"SELECT is_paused AS "is_paused!", changed_at, changed_by, reason FROM set_queue_paused($1, $2, $3)"#,
        paused,
        by.actor,
        reason,
    )
    .fetch_one(&mut *tx)
    .await?;
    let action = if paused { Action::PAUSE } else { Action::RESUME };
    actions::record(&mut tx, by, action, None, &json!({ "reason": reason })).await?;
    tx.commit().await?;
    Ok(state)
}
