//! Waiting for something to become true, instead of sleeping and hoping.

use std::time::{Duration, Instant};

/// Longer than anything should ever take, in milliseconds: reaching it means that it will not happen.
pub const GENEROUS_MS: u64 = 90_000;

/// Between two looks, in milliseconds.
const LOOK_EVERY_MS: u64 = 50;

/// Looks until `look` gives a value.
///
/// Fails the test, saying `what` was awaited, after [`GENEROUS_MS`].
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_millis(GENEROUS_MS);
    loop {
        if let Some(value) = look().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {GENEROUS_MS} ms in vain: {what}");
        tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
    }
}

/// As [`until`], for something that is true or false at once.
pub async fn until_true(what: &str, mut look: impl FnMut() -> bool) {
    until(what, || std::future::ready(look().then_some(()))).await;
}

/// Whether it comes true within [`GENEROUS_MS`]: for who can say better what is wrong.
pub async fn look_until(mut look: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_millis(GENEROUS_MS);
    while !look() {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
    }
    true
}

/// As [`until_true`], blocking: for the insides of the harness that run outside of tokio.
pub fn blocking_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_millis(GENEROUS_MS);
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {GENEROUS_MS} ms in vain: {what}");
        std::thread::sleep(Duration::from_millis(LOOK_EVERY_MS));
    }
}
