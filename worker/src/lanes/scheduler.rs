//! The lane scheduler: the lanes that serve now, and the shards of each.
//!
//! A batch costs its statements and its disk writes whether it has one job or a thousand. So while batches are small, one
//! lane serves all shards; when they grow, others join, and one lane computes while another waits. No shard is ever in the
//! batches of two lanes, so its players' order is kept.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use satchel_model::ids::Shard;
use satchel_store::leases::Lease;
use tokio::sync::watch;
use tokio::time::Instant;

/// A second lane joins when a batch has so many jobs; further ones when a batch is full.
const JOIN_JOBS: usize = 32;
/// The second lane leaves when the first one's batches have fewer jobs than this; further ones when they have less than a
/// quarter of what fits into one.
const LEAVE_JOBS: usize = 8;
/// Small batches in a row before a lane leaves.
const LEAVE_AFTER_BATCHES: u32 = 64;
/// Another lane joins, too, when a batch takes this long: whatever keeps it, the other shards need not wait.
const LONG_BATCH: Duration = Duration::from_secs(1);

/// One lane's handle on the scheduler.
pub(crate) struct LaneHandle {
    number: u16,
    max_batch_jobs: usize,
    scheduler: Arc<Scheduler>,
    changed: watch::Receiver<()>,
}

struct Scheduler {
    lanes: u16,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

struct State {
    /// The number of lanes that serve: those with the lowest numbers.
    serving: u16,
    /// The shards in lanes' batches.
    claimed: HashMap<Shard, Claim>,
    /// The first lane's small batches in a row.
    small_batches: u32,
}

/// A shard in a lane's batch.
struct Claim {
    lane: u16,
    since: Instant,
}

/// The handles of all lanes of a worker.
pub(crate) fn schedule(lanes: u16, max_batch_jobs: usize) -> Vec<LaneHandle> {
    let state = Mutex::new(State { serving: 1, claimed: HashMap::new(), small_batches: 0 });
    let scheduler = Arc::new(Scheduler { lanes, state, changed: watch::Sender::default() });
    let handle = |number| {
        let changed = scheduler.changed.subscribe();
        LaneHandle { number, max_batch_jobs, scheduler: Arc::clone(&scheduler), changed }
    };
    (0..lanes).map(handle).collect()
}

impl LaneHandle {
    /// The leases of these that this lane should read now, without those in another lane's batch.
    pub(crate) fn readable(&mut self, mut leases: Vec<Lease>) -> Vec<Lease> {
        self.changed.mark_unchanged();
        let mut state = self.scheduler.state();
        let joins = state.serving == self.number && state.has_long_batch();
        if joins {
            state.serving += 1;
        }
        leases.retain(|lease| state.may_have(lease.shard, self.number));
        drop(state);
        if joins {
            self.scheduler.changed.send_replace(());
        }
        leases
    }

    /// Waits until [`Self::readable`] may have changed.
    pub(crate) async fn changed(&mut self) {
        // The sender lives as long as this.
        let _ = self.changed.changed().await;
    }

    /// Claims shards for a batch until [`Self::release`]; those of them that are still the lane's.
    pub(crate) fn claim(&self, mut leases: Vec<Lease>) -> Vec<Lease> {
        let mut state = self.scheduler.state();
        leases.retain(|lease| state.may_have(lease.shard, self.number));
        let since = Instant::now();
        state.claimed.extend(leases.iter().map(|lease| (lease.shard, Claim { lane: self.number, since })));
        leases
    }

    /// Ends the lane's batch.
    pub(crate) fn release(&self) {
        let mut state = self.scheduler.state();
        let (mine, others) =
            state.claimed.drain().partition::<HashMap<_, _>, _>(|(_, claim)| claim.lane == self.number);
        state.claimed = others;
        let others_wait = mine.keys().any(|shard| !state.is_for(*shard, self.number));
        drop(state);
        if others_wait {
            self.scheduler.changed.send_replace(());
        }
    }

    /// Lets lanes join or leave by the size of a batch.
    pub(crate) fn adjust(&self, jobs: usize) {
        let mut state = self.scheduler.state();
        let (join_at, leave_below) = match state.serving {
            1 => (JOIN_JOBS, 0),
            2 => (self.max_batch_jobs, LEAVE_JOBS),
            _ => (self.max_batch_jobs, self.max_batch_jobs / 4),
        };
        let before = state.serving;
        if jobs >= join_at.min(self.max_batch_jobs) {
            state.small_batches = 0;
            state.serving = (before + 1).min(self.scheduler.lanes);
        } else if self.number == 0 {
            // Not by the others: the first one would be in the middle of waiting for entries of fewer shards.
            state.small_batches = if jobs < leave_below { state.small_batches + 1 } else { 0 };
            if state.small_batches >= LEAVE_AFTER_BATCHES {
                state.small_batches = 0;
                state.serving = before - 1;
            }
        }
        let is_changed = state.serving != before;
        drop(state);
        if is_changed {
            self.scheduler.changed.send_replace(());
        }
    }
}

impl Scheduler {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a lane serves a shard.
    fn is_for(&self, shard: Shard, number: u16) -> bool {
        shard.get() % self.serving == number
    }

    /// Whether a lane may read a shard, or claim it.
    fn may_have(&self, shard: Shard, number: u16) -> bool {
        let is_free = self.claimed.get(&shard).is_none_or(|claim| claim.lane == number);
        is_free && self.is_for(shard, number)
    }

    fn has_long_batch(&self) -> bool {
        self.claimed.values().any(|claim| claim.since.elapsed() >= LONG_BATCH)
    }
}

/// The leases of these shards.
pub(crate) fn leases_of(leases: &[Lease], shards: impl Iterator<Item = Shard>) -> Vec<Lease> {
    let shards: HashSet<Shard> = shards.collect();
    leases.iter().copied().filter(|lease| shards.contains(&lease.shard)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 100;

    fn leases() -> Vec<Lease> {
        (0..6).map(|shard| Lease { shard: Shard::new(shard), epoch: 1 }).collect()
    }

    fn numbers(leases: &[Lease]) -> Vec<u16> {
        leases.iter().map(|lease| lease.shard.get()).collect()
    }

    fn read(lane: &mut LaneHandle) -> Vec<u16> {
        numbers(&lane.readable(leases()))
    }

    #[test]
    fn lanes_join_when_batches_grow_and_leave_when_they_stay_small() {
        let [mut first, mut second, mut third] = <[LaneHandle; 3]>::try_from(schedule(3, MOST)).ok().unwrap();
        assert_eq!((read(&mut first), read(&mut second)), (vec![0, 1, 2, 3, 4, 5], vec![]));
        first.adjust(JOIN_JOBS - 1);
        assert!(read(&mut second).is_empty());
        first.adjust(JOIN_JOBS);
        assert_eq!((read(&mut first), read(&mut second), read(&mut third)), (vec![0, 2, 4], vec![1, 3, 5], vec![]));
        second.adjust(MOST - 1);
        assert!(read(&mut third).is_empty());
        second.adjust(MOST);
        assert_eq!((read(&mut first), read(&mut second), read(&mut third)), (vec![0, 3], vec![1, 4], vec![2, 5]));
        third.adjust(MOST);
        assert_eq!(read(&mut first), [0, 3]);

        for _ in 0..LEAVE_AFTER_BATCHES {
            second.adjust(1);
            assert_eq!(read(&mut third), [2, 5], "only the first lane's batches count");
            first.adjust(MOST / 4 - 1);
        }
        assert_eq!((read(&mut second), read(&mut third)), (vec![1, 3, 5], vec![]));
        for _ in 1..LEAVE_AFTER_BATCHES {
            first.adjust(LEAVE_JOBS - 1);
        }
        first.adjust(LEAVE_JOBS);
        first.adjust(LEAVE_JOBS - 1);
        assert_eq!(read(&mut second), [1, 3, 5], "not in a row");
        for _ in 1..LEAVE_AFTER_BATCHES {
            first.adjust(0);
        }
        assert_eq!((read(&mut first), read(&mut second)), (vec![0, 1, 2, 3, 4, 5], vec![]));
    }

    #[tokio::test]
    async fn what_a_lane_has_in_a_batch_no_other_lane_gets_before_it_is_given_back() {
        let [mut first, mut second] = <[LaneHandle; 2]>::try_from(schedule(2, MOST)).ok().unwrap();
        let batch = leases_of(&first.readable(leases()), [Shard::new(1), Shard::new(2)].into_iter());
        assert_eq!(numbers(&first.claim(batch)), [1, 2]);
        first.adjust(MOST);
        assert_eq!(read(&mut second), [3, 5]);
        assert_eq!(numbers(&second.claim(leases())), [3, 5], "also of what was read before");
        first.release();
        second.changed().await;
        assert_eq!(read(&mut second), [1, 3, 5]);
        assert_eq!(numbers(&first.claim(leases())), [0, 2, 4], "not what was read before others joined");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_joins_one_whose_batch_takes_long() {
        let [mut first, mut second] = <[LaneHandle; 2]>::try_from(schedule(2, MOST)).ok().unwrap();
        first.claim(leases().split_off(4));
        tokio::time::advance(LONG_BATCH / 2).await;
        assert!(read(&mut second).is_empty());
        tokio::time::advance(LONG_BATCH / 2).await;
        assert_eq!(read(&mut second), [1, 3]);
        first.release();
        second.changed().await;
        assert_eq!((read(&mut first), read(&mut second)), (vec![0, 2, 4], vec![1, 3, 5]));
    }
}
