//! Which of the worker's lanes serve now, and which shards each of them has.
//!
//! A batch costs its statements and its disk writes whether it has one job or a thousand. So while batches are small, one
//! lane serves all shards; when they grow, others join, and one lane computes while another waits. No shard is ever in the
//! batches of two lanes: that would be against its players' order.

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
/// So many such batches in a row.
const CALM_BATCHES: u32 = 64;
/// Another lane joins, too, when one has had a batch for so long: whatever keeps it, the other shards need not wait.
const STUCK: Duration = Duration::from_secs(1);

/// One lane's part in it.
pub(crate) struct Part {
    number: u16,
    /// Most jobs of a batch.
    most: usize,
    rota: Arc<Rota>,
    changed: watch::Receiver<()>,
}

struct Rota {
    lanes: u16,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

struct State {
    /// How many lanes serve: those with the lowest numbers.
    serving: u16,
    /// The shards in lanes' batches.
    taken: HashMap<Shard, Taken>,
    /// Small batches of the first lane in a row.
    calm: u32,
}

/// Who has a shard in a batch.
struct Taken {
    lane: u16,
    since: Instant,
}

/// The parts of so many lanes, whose batches have at most `most` jobs.
pub(crate) fn divide(lanes: u16, most: usize) -> Vec<Part> {
    let state = Mutex::new(State { serving: 1, taken: HashMap::new(), calm: 0 });
    let rota = Arc::new(Rota { lanes, state, changed: watch::Sender::default() });
    let part = |number| Part { number, most, rota: Arc::clone(&rota), changed: rota.changed.subscribe() };
    (0..lanes).map(part).collect()
}

impl Part {
    /// What of these the lane is to read now: its part, without what another lane still has in a batch.
    pub(crate) fn of(&mut self, mut leases: Vec<Lease>) -> Vec<Lease> {
        self.changed.mark_unchanged();
        let mut state = self.rota.state();
        let joins = state.serving == self.number && state.is_stuck();
        if joins {
            state.serving += 1;
        }
        leases.retain(|lease| state.may_have(lease.shard, self.number));
        drop(state);
        if joins {
            self.rota.changed.send_replace(());
        }
        leases
    }

    /// Waits until that may be otherwise.
    pub(crate) async fn changed(&mut self) {
        // The sender lives as long as this.
        let _ = self.changed.changed().await;
    }

    /// Takes shards into a batch, those of them that are the lane's now. They are until [`Self::give_back`].
    pub(crate) fn take(&self, mut leases: Vec<Lease>) -> Vec<Lease> {
        let mut state = self.rota.state();
        leases.retain(|lease| state.may_have(lease.shard, self.number));
        let since = Instant::now();
        state.taken.extend(leases.iter().map(|lease| (lease.shard, Taken { lane: self.number, since })));
        leases
    }

    /// The lane has nothing in a batch any more.
    pub(crate) fn give_back(&self) {
        let mut state = self.rota.state();
        let (mine, others) = state.taken.drain().partition::<HashMap<_, _>, _>(|(_, taken)| taken.lane == self.number);
        state.taken = others;
        let is_waited_for = mine.keys().any(|shard| !state.is_for(*shard, self.number));
        drop(state);
        if is_waited_for {
            self.rota.changed.send_replace(());
        }
    }

    /// Lets lanes join or leave by the size of a batch.
    pub(crate) fn weigh(&self, jobs: usize) {
        let mut state = self.rota.state();
        let (join_at, leave_below) = match state.serving {
            1 => (JOIN_JOBS, 0),
            2 => (self.most, LEAVE_JOBS),
            _ => (self.most, self.most / 4),
        };
        let before = state.serving;
        if jobs >= join_at.min(self.most) {
            state.calm = 0;
            state.serving = (before + 1).min(self.rota.lanes);
        } else if self.number == 0 {
            // Not by the others: the first one would be in the middle of waiting for entries of fewer shards.
            state.calm = if jobs < leave_below { state.calm + 1 } else { 0 };
            if state.calm >= CALM_BATCHES {
                state.calm = 0;
                state.serving = before - 1;
            }
        }
        let is_changed = state.serving != before;
        drop(state);
        if is_changed {
            self.rota.changed.send_replace(());
        }
    }
}

impl Rota {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whose a shard is.
    fn is_for(&self, shard: Shard, number: u16) -> bool {
        shard.get() % self.serving == number
    }

    /// Whether a lane may read it, or take it into a batch.
    fn may_have(&self, shard: Shard, number: u16) -> bool {
        let is_free = self.taken.get(&shard).is_none_or(|taken| taken.lane == number);
        is_free && self.is_for(shard, number)
    }

    fn is_stuck(&self) -> bool {
        self.taken.values().any(|taken| taken.since.elapsed() >= STUCK)
    }
}

/// The leases of shards that have entries.
pub(crate) fn touched(leases: &[Lease], shards: impl Iterator<Item = Shard>) -> Vec<Lease> {
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

    fn read(part: &mut Part) -> Vec<u16> {
        numbers(&part.of(leases()))
    }

    #[test]
    fn lanes_join_when_batches_grow_and_leave_when_they_stay_small() {
        let [mut first, mut second, mut third] = <[Part; 3]>::try_from(divide(3, MOST)).ok().unwrap();
        assert_eq!((read(&mut first), read(&mut second)), (vec![0, 1, 2, 3, 4, 5], vec![]));
        first.weigh(JOIN_JOBS - 1);
        assert!(read(&mut second).is_empty());
        first.weigh(JOIN_JOBS);
        assert_eq!((read(&mut first), read(&mut second), read(&mut third)), (vec![0, 2, 4], vec![1, 3, 5], vec![]));
        second.weigh(MOST - 1);
        assert!(read(&mut third).is_empty());
        second.weigh(MOST);
        assert_eq!((read(&mut first), read(&mut second), read(&mut third)), (vec![0, 3], vec![1, 4], vec![2, 5]));
        third.weigh(MOST);
        assert_eq!(read(&mut first), [0, 3]);

        for _ in 0..CALM_BATCHES {
            second.weigh(1);
            assert_eq!(read(&mut third), [2, 5], "only the first lane's batches count");
            first.weigh(MOST / 4 - 1);
        }
        assert_eq!((read(&mut second), read(&mut third)), (vec![1, 3, 5], vec![]));
        for _ in 1..CALM_BATCHES {
            first.weigh(LEAVE_JOBS - 1);
        }
        first.weigh(LEAVE_JOBS);
        first.weigh(LEAVE_JOBS - 1);
        assert_eq!(read(&mut second), [1, 3, 5], "not in a row");
        for _ in 1..CALM_BATCHES {
            first.weigh(0);
        }
        assert_eq!((read(&mut first), read(&mut second)), (vec![0, 1, 2, 3, 4, 5], vec![]));
    }

    #[tokio::test]
    async fn what_a_lane_has_in_a_batch_no_other_lane_gets_before_it_is_given_back() {
        let [mut first, mut second] = <[Part; 2]>::try_from(divide(2, MOST)).ok().unwrap();
        let batch = touched(&first.of(leases()), [Shard::new(1), Shard::new(2)].into_iter());
        assert_eq!(numbers(&first.take(batch)), [1, 2]);
        first.weigh(MOST);
        assert_eq!(read(&mut second), [3, 5]);
        assert_eq!(numbers(&second.take(leases())), [3, 5], "also of what was read before");
        first.give_back();
        second.changed().await;
        assert_eq!(read(&mut second), [1, 3, 5]);
        assert_eq!(numbers(&first.take(leases())), [0, 2, 4], "not what was read before others joined");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_joins_one_whose_batch_takes_long() {
        let [mut first, mut second] = <[Part; 2]>::try_from(divide(2, MOST)).ok().unwrap();
        first.take(leases().split_off(4));
        tokio::time::advance(STUCK / 2).await;
        assert!(read(&mut second).is_empty());
        tokio::time::advance(STUCK / 2).await;
        assert_eq!(read(&mut second), [1, 3]);
        first.give_back();
        second.changed().await;
        assert_eq!((read(&mut first), read(&mut second)), (vec![0, 2, 4], vec![1, 3, 5]));
    }
}
