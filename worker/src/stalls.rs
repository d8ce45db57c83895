//! Shards that are left alone for a while: what stands at their head cannot be applied now, and nothing behind it may
//! overtake it.

use std::collections::HashMap;
use std::time::Duration;

use satchel_shared::domain::Shard;
use tokio::time::Instant;

use crate::retry;

/// How long a shard is left alone at first.
const FIRST_STALL: Duration = Duration::from_secs(2);

/// See the module. At most one for each shard of the lane.
#[derive(Debug, Default)]
pub(crate) struct Stalls(HashMap<Shard, Stall>);

#[derive(Debug)]
struct Stall {
    failures: u32,
    until: Instant,
}

impl Stalls {
    /// Leaves a shard alone: longer each time that it comes to nothing.
    pub(crate) fn stall(&mut self, shard: Shard) {
        let failures = self.0.get(&shard).map_or(0, |stall| stall.failures.saturating_add(1));
        self.0.insert(
            shard,
            Stall { failures, until: Instant::now() + retry::delay(FIRST_STALL, failures).min(retry::MAX_DELAY) },
        );
    }

    /// Whether it is left alone now.
    pub(crate) fn has(&self, shard: Shard) -> bool {
        self.0.get(&shard).is_some_and(|stall| stall.until > Instant::now())
    }

    /// Its jobs were applied.
    pub(crate) fn clear(&mut self, shard: Shard) {
        self.0.remove(&shard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_shard_is_left_alone_for_longer_each_time_until_it_is_served() {
        let (mut stalls, shard) = (Stalls::default(), Shard::new(1));
        assert!(!stalls.has(shard));
        stalls.stall(shard);
        assert!(stalls.has(shard) && !stalls.has(Shard::new(2)));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(!stalls.has(shard));
        stalls.stall(shard);
        stalls.stall(shard);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(stalls.has(shard), "the third time is at least four seconds");
        stalls.clear(shard);
        assert!(!stalls.has(shard));
    }
}
