//! While a store is away every request meets the same error: one line a second says as much as thousands.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Lets one log line a second pass.
pub(crate) struct Gate {
    last_second: AtomicU64,
}

impl Gate {
    pub(crate) const fn new() -> Self {
        Self { last_second: AtomicU64::new(0) }
    }

    /// Whether this line may be written.
    pub(crate) fn passes(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.last_second.swap(now, Ordering::Relaxed) != now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_errors_leaves_few_lines() {
        let gate = Gate::new();
        let passed = (0..10_000).filter(|_| gate.passes()).count();
        assert!((1..=3).contains(&passed), "{passed}");
    }
}
