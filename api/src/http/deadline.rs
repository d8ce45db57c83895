//! No request waits for Postgres longer than this. Its own timeout ends a slow statement, which nobody waits for by
//! then, but not the wait for a server that has stopped answering.

use std::time::Duration;

use satchel_store::StoreError;

use crate::http::problem::{ApiError, Store};

/// For what a request cannot be answered without, in milliseconds. Postgres ends the service's statements after as long:
/// one that ran on would keep one of few connections, and the server, busy for nothing.
pub(crate) const ANSWER_DEADLINE_MS: u64 = 5_000;

/// For what looks through whole tables, in milliseconds.
const SWEEP_DEADLINE_MS: u64 = 60_000;

/// For what a request knows to go on without, in milliseconds.
const HINT_DEADLINE_MS: u64 = 3_000;

/// The call's answer.
///
/// # Errors
/// 503 if it fails or takes too long, 500 if what is stored cannot be read.
pub(crate) async fn answer<T, E: Into<ApiError>>(call: impl Future<Output = Result<T, E>>) -> Result<T, ApiError> {
    match tokio::time::timeout(Duration::from_millis(ANSWER_DEADLINE_MS), call).await {
        Ok(answer) => answer.map_err(E::into),
        Err(_) => Err(ApiError::Unavailable(Store::Database)),
    }
}

/// The answer of a call that looks through whole tables, in bounded portions.
///
/// # Errors
/// As [`answer`], much later.
pub(crate) async fn sweep<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, ApiError> {
    match tokio::time::timeout(Duration::from_millis(SWEEP_DEADLINE_MS), call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(ApiError::Unavailable(Store::Database)),
    }
}

/// The call's answer, if it comes soon; a failure is logged and no more.
pub(crate) async fn hint<T>(call: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    let answer = tokio::time::timeout(Duration::from_millis(HINT_DEADLINE_MS), call).await.ok()?;
    answer.inspect_err(|error| drop(ApiError::of_store(error))).ok()
}

/// The call's answer, for what goes on beside the requests.
///
/// # Errors
/// If it fails or takes longer.
pub(crate) async fn within<T>(
    deadline_ms: u64,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let answer = tokio::time::timeout(Duration::from_millis(deadline_ms), call).await;
    answer.unwrap_or(Err(StoreError::Deadline { deadline_ms }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_is_away() {
        let hangs = std::future::pending::<Result<(), StoreError>>;
        assert!(matches!(answer(hangs()).await, Err(ApiError::Unavailable(Store::Database))));
        assert!(hint(hangs()).await.is_none());
    }

    #[tokio::test]
    async fn a_store_that_fails_is_away() {
        let fails = || std::future::ready(Err::<(), _>(StoreError::NotMigrated));
        assert!(matches!(answer(fails()).await, Err(ApiError::Unavailable(Store::Database))));
        assert!(hint(fails()).await.is_none());
    }
}
