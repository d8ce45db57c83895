//! Work that may take long, kept off the HTTP threads: there are few, and each answers thousands of connections.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;

use crate::http::problem::ApiError;

/// How much of it goes on at a time; more waits. It must leave the HTTP threads their share of the processors.
const MAX_AT_A_TIME: usize = 2;
/// For how long it waits, in milliseconds.
const PATIENCE_MS: u64 = 5_000;

static PLACES: Semaphore = Semaphore::const_new(MAX_AT_A_TIME);

/// Does some work: elsewhere if it may take long.
///
/// # Errors
/// 503 if too much of it waits already.
pub(crate) async fn run<T: Send + 'static>(
    is_long: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    if !is_long {
        return Ok(work());
    }
    let place = place().await?;
    let done = spawn_blocking(move || {
        let done = work();
        // Whoever asked for it may have gone; its place is taken until here all the same.
        drop(place);
        done
    });
    done.await.map_err(|error| {
        tracing::error!(%error, "work that takes long came to no end");
        ApiError::Internal
    })
}

/// Does elsewhere what asks the stores and has much work with it.
///
/// # Errors
/// 503 if too much of it waits already.
pub(crate) async fn run_calls<T: Send + 'static>(
    calls: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    let runtime = Handle::current();
    run(true, move || runtime.block_on(calls)).await?
}

async fn place() -> Result<SemaphorePermit<'static>, ApiError> {
    let place = tokio::time::timeout(Duration::from_millis(PATIENCE_MS), PLACES.acquire()).await;
    place.ok().and_then(Result::ok).ok_or(ApiError::Busy)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn long_work_is_done_on_another_thread_and_short_work_is_not() {
        let here = thread::current().id();
        let where_done = || thread::current().id();
        assert_eq!(run(false, where_done).await.unwrap(), here);
        assert_ne!(run(true, where_done).await.unwrap(), here);
        let calls = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(thread::current().id())
        };
        assert_ne!(run_calls(calls).await.unwrap(), here);
        assert!(matches!(run(true, || panic!("at work")).await, Err::<(), _>(ApiError::Internal)));
    }
}
