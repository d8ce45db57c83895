//! Waiting between attempts: exponential, with jitter, bounded.

use std::time::Duration;

/// The longest wait, which keeps recovery well below half a minute after the trouble has ended.
pub(crate) const MAX_DELAY: Duration = Duration::from_secs(8);

/// The longest wait of a job that was set aside.
const MAX_JOB_DELAY: Duration = Duration::from_mins(5);

/// Counts failures and waits longer after each: `first`, 2 × `first`, 4 × `first`… up to [`MAX_DELAY`].
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// No failure so far.
    pub(crate) fn new(first: Duration) -> Self {
        Self { first, most: MAX_DELAY, failures: 0 }
    }

    /// The same with a shorter longest wait.
    pub(crate) fn up_to(self, most: Duration) -> Self {
        Self { most, ..self }
    }

    /// Failures since the last success.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// A success: the next failure is the first.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// A failure: waits before the next attempt.
    pub(crate) async fn wait(&mut self) {
        let delay = self.delay();
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(delay).await;
    }

    fn delay(&self) -> Duration {
        delay(self.first, self.failures).min(self.most)
    }
}

/// The wait after so many earlier failures: between half of the doubled delay and all of it, so that what failed
/// together does not come back together.
pub(crate) fn delay(first: Duration, failures: u32) -> Duration {
    let delay = first.saturating_mul(1 << failures.min(16));
    delay.min(MAX_JOB_DELAY).mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_bound_and_start_anew_after_a_success() {
        let mut backoff = Backoff::new(Duration::from_secs(2));
        for expected in [2, 4, 8, 8, 8] {
            let (delay, expected) = (backoff.delay(), Duration::from_secs(expected));
            assert!(delay <= expected && delay >= expected / 2, "{delay:?} for {expected:?}");
            backoff.failures += 1;
        }
        backoff.failures = u32::MAX;
        assert!(backoff.delay() <= MAX_DELAY);
        backoff.reset();
        assert!(backoff.delay() <= Duration::from_secs(2));
    }
}
