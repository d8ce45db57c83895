//! Waits between attempts: exponential, with jitter, bounded.

use std::time::Duration;

/// Doublings beyond which every wait is at its bound.
const MAX_DOUBLINGS: u32 = 30;

/// The waits after failures in a row: `first`, 2 × `first`, 4 × `first`… up to `longest`, each less up to a half at random, so
/// that what failed together does not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// See the type.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    /// The same wait after each failure.
    #[must_use]
    pub const fn constant(wait: Duration) -> Self {
        Self::new(wait, wait)
    }

    /// The wait after a failure that so many failures preceded.
    #[must_use]
    pub fn delay(&self, earlier_failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << earlier_failures.min(MAX_DOUBLINGS));
        doubled.min(self.longest).mul_f64(rand::random_range(0.5..=1.0))
    }

    /// A count of failures that waits by it.
    #[must_use]
    pub fn retries(self) -> Retries {
        Retries { backoff: self, failures: 0 }
    }
}

/// Failures in a row, and the waits after them.
#[derive(Debug)]
pub struct Retries {
    backoff: Backoff,
    failures: u32,
}

impl Retries {
    /// Failures since the last success.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Notes a success: the next failure is the first.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Notes a failure; the wait before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let delay = self.backoff.delay(self.failures);
        self.failures = self.failures.saturating_add(1);
        delay
    }

    /// Notes a failure, and waits before the next attempt.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next_delay()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_bound_and_start_anew_after_a_success() {
        let longest = Duration::from_secs(8);
        let mut retries = Backoff::new(Duration::from_secs(2), longest).retries();
        for expected in [2, 4, 8, 8, 8] {
            let (delay, expected) = (retries.next_delay(), Duration::from_secs(expected));
            assert!(delay <= expected && delay >= expected / 2, "{delay:?} for {expected:?}");
        }
        assert_eq!(retries.failures(), 5);
        retries.failures = u32::MAX;
        assert!(retries.next_delay() <= longest);
        retries.reset();
        assert!(retries.next_delay() <= Duration::from_secs(2));
    }
}
