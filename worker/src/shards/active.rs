//! The number of each shard's jobs that are in a batch at this moment, for the statistics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use satchel_model::ids::Shard;

/// Counts that all lanes of a worker share. At most one for each shard.
#[derive(Debug, Clone, Default)]
pub(crate) struct Active(Arc<Mutex<BTreeMap<Shard, u32>>>);

/// Jobs that are in a batch while this lives.
pub(crate) struct InBatch {
    active: Active,
    shards: BTreeMap<Shard, u32>,
}

impl Active {
    /// Counts jobs, given by their shards, until the result is dropped.
    pub(crate) fn enter(&self, shards: impl Iterator<Item = Shard>) -> InBatch {
        let mut counts: BTreeMap<Shard, u32> = BTreeMap::new();
        shards.for_each(|shard| *counts.entry(shard).or_default() += 1);
        let mut all = self.counts();
        for (shard, count) in &counts {
            *all.entry(*shard).or_default() += count;
        }
        drop(all);
        InBatch { active: self.clone(), shards: counts }
    }

    /// The counts; shards that are not among them have none.
    pub(crate) fn snapshot(&self) -> BTreeMap<Shard, u32> {
        self.counts().clone()
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<Shard, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InBatch {
    fn drop(&mut self) {
        let mut all = self.active.counts();
        for (shard, count) in &self.shards {
            if let Some(left) = all.get_mut(shard) {
                *left = left.saturating_sub(*count);
            }
        }
        all.retain(|_, count| *count > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_count_while_their_batch_lives() {
        let active = Active::default();
        let (one, two) = (Shard::new(1), Shard::new(2));
        let first = active.enter([one, two, one].into_iter());
        let second = active.enter([two].into_iter());
        assert_eq!(active.snapshot(), BTreeMap::from([(one, 2), (two, 2)]));
        drop(first);
        assert_eq!(active.snapshot(), BTreeMap::from([(two, 1)]));
        drop(second);
        assert!(active.snapshot().is_empty());
    }
}
