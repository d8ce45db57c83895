//! Shards: which one a player's jobs go to, and which worker should serve it.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::place::{PLACES, leading};
use super::{JobId, UserId};

/// How many shards there are; fixed by the first migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardCount(u16);

impl ShardCount {
    /// Shards of a new database, unless told otherwise.
    pub const DEFAULT: u16 = 64;
    /// The most shards.
    pub const MAX: u16 = PLACES;

    /// A count of 1 to [`ShardCount::MAX`].
    #[must_use]
    pub fn new(count: u16) -> Option<Self> {
        (1..=Self::MAX).contains(&count).then_some(Self(count))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }

    /// The shard of everything that belongs to `user_id`.
    #[must_use]
    pub fn of_user(self, user_id: &UserId) -> Shard {
        Shard(user_id.place() % self.0)
    }

    /// The shard of a job's user, by its id alone. (Of an id that does not say it, some shard.)
    #[must_use]
    pub fn of_job(self, job_id: JobId) -> Shard {
        Shard(job_id.place() % self.0)
    }

    /// All shards.
    pub fn all(self) -> impl Iterator<Item = Shard> {
        (0..self.0).map(Shard)
    }
}

/// One shard, numbered from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(u16);

impl Shard {
    /// The shard with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }

    /// The worker that should serve this shard: the one of highest weight (rendezvous hashing, Thaler and
    /// Ravishankar 1998), so that a worker that joins or leaves moves only its own share.
    #[must_use]
    pub fn target(self, workers: &[Uuid]) -> Option<Uuid> {
        workers.iter().copied().max_by_key(|worker| {
            let digest = Sha256::new().chain_update(worker).chain_update(self.0.to_be_bytes()).finalize();
            (leading(&digest), *worker)
        })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{:02}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_shard_never_changes() {
        let shards = ShardCount::new(64).unwrap();
        let of = |user| shards.of_user(&UserId::parse(user).unwrap()).get();
        // Changing the hash would scatter the queued jobs of a running system: these are fixed for good.
        assert_eq!([of("u1"), of("u2"), of("player:42")], [58, 63, 43]);
    }

    #[test]
    fn a_worker_that_joins_takes_shards_only_for_itself() {
        let workers: Vec<Uuid> = (1..=4).map(Uuid::from_u128).collect();
        let shards = ShardCount::new(64).unwrap();
        let mut moved = 0;
        for shard in shards.all() {
            let (before, after) = (shard.target(&workers[..3]), shard.target(&workers));
            if before != after {
                assert_eq!(after, Some(workers[3]));
                moved += 1;
            }
        }
        assert!((4..=32).contains(&moved), "{moved} of 64 shards moved");
        assert_eq!(Shard::new(0).target(&[]), None);
    }
}
