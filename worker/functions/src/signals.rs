//! Signals from the worker's lanes to its functions: a committed batch, and a backlog of jobs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// A batch of so many jobs says that they pile up: so many came while one batch was committed.
const PILED_UP_JOBS: usize = 64;
/// For how long they then count as piled up.
const LASTING: Duration = Duration::from_secs(1);

/// See the module.
pub struct Signals {
    happened: Notify,
    began: Instant,
    /// Milliseconds from `began` until which jobs count as piled up.
    busy_until_ms: AtomicU64,
}

impl Default for Signals {
    fn default() -> Self {
        Self { happened: Notify::new(), began: Instant::now(), busy_until_ms: AtomicU64::new(0) }
    }
}

impl Signals {
    /// A lane has committed so many jobs.
    pub fn committed(&self, jobs: usize) {
        if jobs >= PILED_UP_JOBS {
            self.busy_until_ms.store(millis(self.began.elapsed() + LASTING), Ordering::Relaxed);
        }
        self.happened.notify_one();
    }

    /// Waits until a lane has committed something.
    pub async fn happened(&self) {
        self.happened.notified().await;
    }

    /// Whether jobs pile up: then functions keep out of their way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        millis(self.began.elapsed()) < self.busy_until_ms.load(Ordering::Relaxed)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_large_batch_means_a_second_of_backlog() {
        let signals = Signals::default();
        signals.committed(PILED_UP_JOBS - 1);
        assert!(!signals.is_busy());
        signals.committed(PILED_UP_JOBS);
        assert!(signals.is_busy());
        tokio::time::advance(Duration::from_millis(999)).await;
        assert!(signals.is_busy());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!signals.is_busy());
        signals.happened().await;
    }
}
