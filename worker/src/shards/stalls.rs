//! Shards that are left alone for a while: what stands at their head cannot be applied now, and nothing behind it may
//! overtake it. Afterwards they are applied apart from the others, which need not wait with them if it fails again.

use std::collections::HashMap;
use std::time::Duration;

use satchel_model::ids::Shard;
use satchel_tasks::Backoff;
use tokio::time::Instant;

/// The time that a shard is left alone.
const STALL: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(8));
/// The same for a shard whose lease is locked: to look again costs nothing, and it may be about to move.
const LOCKED_STALL: Duration = Duration::from_millis(250);
/// The fraction of a part that took too long that is tried next.
const DIVISOR: usize = 8;
/// The jobs of a part that passed, from which on its shard is like the others again.
const TRUSTED_JOBS: usize = 256;

/// See the module. At most one of each for each shard of the lane.
#[derive(Debug, Default)]
pub(crate) struct Stalls {
    stalls: HashMap<Shard, Stall>,
    suspects: HashMap<Shard, Suspect>,
}

#[derive(Debug)]
struct Stall {
    failures: u32,
    until: Instant,
}

/// A shard that is applied apart.
#[derive(Debug)]
struct Suspect {
    /// Most jobs at once.
    jobs: usize,
    /// The last try.
    tried: Instant,
}

/// A batch's jobs, in order.
pub(crate) struct Sifted<J> {
    /// The jobs that go together.
    pub(crate) sound: Vec<J>,
    /// The jobs that go apart: of each shard a first part, the longest untried first.
    pub(crate) suspected: Vec<Vec<J>>,
}

impl Stalls {
    /// Leaves a shard alone: longer each time that it comes to nothing.
    pub(crate) fn stall(&mut self, shard: Shard) {
        let failures = self.stalls.get(&shard).map_or(0, |stall| stall.failures.saturating_add(1));
        let until = Instant::now() + STALL.delay(failures);
        self.stalls.insert(shard, Stall { failures, until });
    }

    /// Leaves a shard alone whose lease somebody has locked.
    pub(crate) fn stall_locked(&mut self, shard: Shard) {
        self.stalls.insert(shard, Stall { failures: 0, until: Instant::now() + LOCKED_STALL });
    }

    /// As [`Self::stall`]; then it is applied apart until something of it passes.
    pub(crate) fn suspect(&mut self, shard: Shard) {
        self.stall(shard);
        let tried = Instant::now();
        self.suspects.entry(shard).or_insert(Suspect { jobs: TRUSTED_JOBS, tried }).tried = tried;
    }

    /// Notes that so many jobs of the shard took too long: fewer are tried next, and soon, until it is known which job it is.
    pub(crate) fn narrow(&mut self, shard: Shard, jobs: usize) {
        let now = Instant::now();
        self.stalls.insert(shard, Stall { failures: 0, until: now + STALL.delay(0) });
        self.suspects.insert(shard, Suspect { jobs: (jobs / DIVISOR).max(1), tried: now });
    }

    /// Whether it is left alone now.
    pub(crate) fn has(&self, shard: Shard) -> bool {
        self.stalls.get(&shard).is_some_and(|stall| stall.until > Instant::now())
    }

    /// Notes that jobs of the shard were applied.
    pub(crate) fn clear(&mut self, shard: Shard) {
        self.stalls.remove(&shard);
    }

    /// Notes that a part of the shard has passed, as large as it was allowed to be, or all that there was.
    pub(crate) fn widen(&mut self, shard: Shard) {
        let Some(suspect) = self.suspects.get_mut(&shard) else { return };
        suspect.jobs = suspect.jobs.saturating_mul(2);
        suspect.tried = Instant::now();
        if suspect.jobs > TRUSTED_JOBS {
            self.suspects.remove(&shard);
        }
    }

    /// Takes apart what is suspected. What does not fit stays in the queue.
    pub(crate) fn sift<J>(&self, jobs: Vec<J>, shard: impl Fn(&J) -> Shard) -> Sifted<J> {
        if self.suspects.is_empty() {
            return Sifted { sound: jobs, suspected: Vec::new() };
        }
        let mut sound = Vec::with_capacity(jobs.len());
        let mut apart: HashMap<Shard, Vec<J>> = HashMap::new();
        for job in jobs {
            let shard = shard(&job);
            let Some(suspect) = self.suspects.get(&shard) else {
                sound.push(job);
                continue;
            };
            let part = apart.entry(shard).or_default();
            if part.len() < suspect.jobs {
                part.push(job);
            }
        }
        let mut apart: Vec<(Shard, Vec<J>)> = apart.into_iter().collect();
        apart.sort_by_key(|(shard, _)| (self.suspects.get(shard).map(|suspect| suspect.tried), *shard));
        Sifted { sound, suspected: apart.into_iter().map(|(_, part)| part).collect() }
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

    /// Shards 1 to 3, with so many jobs each: how many go together, and of which shards how many apart.
    fn sift(stalls: &Stalls, jobs: usize) -> (usize, Vec<(u16, usize)>) {
        let numbers = (1..=3).flat_map(|shard| std::iter::repeat_n(shard, jobs)).collect();
        let sifted = stalls.sift(numbers, |shard| Shard::new(*shard));
        (sifted.sound.len(), sifted.suspected.iter().map(|part| (part[0], part.len())).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_goes_apart_in_ever_smaller_parts_until_they_pass() {
        let mut stalls = Stalls::default();
        assert_eq!(sift(&stalls, 100), (300, vec![]));
        stalls.narrow(Shard::new(3), 100);
        tokio::time::advance(Duration::from_millis(1)).await;
        stalls.suspect(Shard::new(1));
        assert_eq!(sift(&stalls, 100), (100, vec![(3, 12), (1, 100)]), "the longest untried first");
        stalls.narrow(Shard::new(3), 12);
        assert_eq!(sift(&stalls, 100), (100, vec![(1, 100), (3, 1)]));
        stalls.widen(Shard::new(1));
        stalls.widen(Shard::new(2));
        assert_eq!(sift(&stalls, 100), (200, vec![(3, 1)]));
        for jobs in [2, 4, 8, 16, 32, 64, 100, 100] {
            stalls.widen(Shard::new(3));
            assert_eq!(sift(&stalls, 100), (200, vec![(3, jobs)]));
        }
        stalls.widen(Shard::new(3));
        assert_eq!(sift(&stalls, 100), (300, vec![]));
    }
}
