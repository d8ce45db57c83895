//! Waiting for something to become true, instead of sleeping and hoping.

use std::time::{Duration, Instant};

/// Longer than anything should ever take, in milliseconds: reaching it means that it will not happen.
pub const GENEROUS_MS: u64 = 90_000;

/// Between the first two looks, and at most between two, in milliseconds. A look is often a program that is started, or a question to
/// Postgres: tests that all look too often keep each other waiting.
const FIRST_PAUSE_MS: u64 = 10;
const LONGEST_PAUSE_MS: u64 = 250;

/// The pauses between looks, each half as long again as the one before.
fn pauses() -> impl Iterator<Item = Duration> {
    let longer = |ms: &u64| Some((ms * 3 / 2).min(LONGEST_PAUSE_MS));
    std::iter::successors(Some(FIRST_PAUSE_MS), longer).map(Duration::from_millis)
}

/// Looks until `look` gives a value.
///
/// Fails the test, saying `what` was awaited, after [`GENEROUS_MS`].
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_millis(GENEROUS_MS);
    for pause in pauses() {
        if let Some(value) = look().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {GENEROUS_MS} ms in vain: {what}");
        tokio::time::sleep(pause).await;
    }
    unreachable!("there is always another pause")
}

/// As [`until`], for something that is true or false at once.
pub async fn until_true(what: &str, mut look: impl FnMut() -> bool) {
    until(what, || std::future::ready(look().then_some(()))).await;
}

/// Whether it comes true within [`GENEROUS_MS`]: for who can say better what is wrong.
pub async fn look_until(mut look: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_millis(GENEROUS_MS);
    for pause in pauses() {
        if look() {
            return true;
        }
        if Instant::now() >= deadline {
            break;
        }
        tokio::time::sleep(pause).await;
    }
    false
}

/// As [`until_true`], blocking: for the insides of the harness that run outside of tokio.
pub fn blocking_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_millis(GENEROUS_MS);
    for pause in pauses() {
        if let Some(value) = look() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {GENEROUS_MS} ms in vain: {what}");
        std::thread::sleep(pause);
    }
    unreachable!("there is always another pause")
}
