//! The time that Postgres has for what a run needs.

use std::time::Duration;

use satchel_store::StoreError;

/// In milliseconds: longer than it lets a lock take. Whoever waits for a run keeps its user's later runs waiting as well.
const SOON_MS: u64 = 6_000;

/// The answer of Postgres, if it comes soon.
///
/// # Errors
/// The call's own, or [`StoreError::Deadline`].
pub async fn soon<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = StoreError::Deadline { deadline_ms: SOON_MS };
    tokio::time::timeout(Duration::from_millis(SOON_MS), call).await.unwrap_or(Err(late))
}
