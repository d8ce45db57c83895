//! Bounds how many jobs of one user wait to be decided, whoever submitted them: in this process's count, at no question per
//! job.
//!
//! A shard's jobs are decided in the order in which they came. So what was accepted before its oldest waiting one came is
//! decided, and what was accepted since may wait. Once a second the queue is asked how old that one is, for shards of which
//! much was accepted; and Postgres, how much is parked of those who brought much.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::web::Data;
use satchel_model::access::Role;
use satchel_model::ids::{Shard, ShardCount, UserId};
use satchel_queue::{Depth, QueueError};
use satchel_settings::Env;
use satchel_store::{Pool, StoreError, parked};
use satchel_tasks::{Backoff, Task};
use tokio::time::Instant;

use super::Intake;

/// What players may have waiting of theirs, and what services may have waiting of one user, in jobs.
const PLAYER_JOBS: u32 = 5_000;
const SERVICE_JOBS: u32 = 100_000;
/// The range in which it can be set, in jobs; 0 is for no limit.
const LEAST_JOBS: u32 = 2_000;
const MOST_JOBS: u32 = 10_000_000;

/// How often it is asked what waits.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Shards of which fewer jobs are counted are not asked about: none of their users is near a limit.
const ASK_FROM_JOBS: u64 = 1_000;
/// An accepted job is in the queue after so long at most.
const SLACK: Duration = Duration::from_secs(1);
/// What is accepted within so long is counted together.
const PERIOD: Duration = Duration::from_secs(1);
/// Most periods of a shard; beyond that the oldest two become one.
const MAX_PERIODS: usize = 8;
/// Most users of a period; beyond that those with the fewest jobs are forgotten.
const MAX_USERS: usize = 512;
/// Of users who have brought so many jobs in a period, Postgres is asked what is parked.
const PARKED_FROM_JOBS: u32 = 16;
/// Most users that Postgres is asked about at once.
const MAX_PARKED_USERS: usize = 256;
/// When to come again who has too many, in seconds.
const RETRY_AFTER_SECONDS: u64 = 5;

/// How many jobs of a user may wait when another one is submitted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UndecidedLimits {
    /// `SATCHEL_PLAYER_UNDECIDED_JOBS`, by the player. Default 5,000; 0 for no limit.
    by_player: u32,
    /// `SATCHEL_SERVICE_UNDECIDED_JOBS`, by a service. Default 100,000; 0 for no limit.
    by_service: u32,
}

impl UndecidedLimits {
    /// Reads the environment; faults are noted in `env`.
    pub(crate) fn from_env(env: &mut Env) -> Self {
        let mut limit = |name, default| {
            let jobs = env.number_or(name, 0..=MOST_JOBS, default);
            if (1..LEAST_JOBS).contains(&jobs) {
                env.fault(name, format!("must be 0, for no limit, or at least {LEAST_JOBS}"));
            }
            jobs
        };
        Self {
            by_player: limit("SATCHEL_PLAYER_UNDECIDED_JOBS", PLAYER_JOBS),
            by_service: limit("SATCHEL_SERVICE_UNDECIDED_JOBS", SERVICE_JOBS),
        }
    }

    fn by(self, role: Role) -> u32 {
        match role {
            Role::Player => self.by_player,
            Role::Service | Role::Operator => self.by_service,
        }
    }
}

/// See the module.
pub(crate) struct Undecided {
    limits: UndecidedLimits,
    count: ShardCount,
    shards: Vec<Mutex<OfShard>>,
}

/// What may wait in a shard.
#[derive(Default)]
struct OfShard {
    /// The oldest first.
    periods: VecDeque<Period>,
    jobs: u64,
    /// What Postgres has parked.
    parked: HashMap<UserId, u32>,
}

struct Period {
    first: Instant,
    last: Instant,
    jobs: u64,
    users: HashMap<UserId, u32>,
}

impl Undecided {
    pub(crate) fn new(limits: UndecidedLimits, shards: ShardCount) -> Self {
        Self { limits, count: shards, shards: shards.all().map(|_| Mutex::default()).collect() }
    }

    /// Whether one more job of the user may come; if not, in how many seconds to ask again.
    pub(crate) fn admit(&self, user_id: &UserId, by: Role) -> Result<(), u64> {
        let most = self.limits.by(by);
        let has_too_many =
            |shard: MutexGuard<'_, OfShard>| shard.anybody_may_have(most) && shard.of_user(user_id) >= most;
        let is_full = most > 0 && self.shard(self.count.of_user(user_id)).is_some_and(has_too_many);
        if is_full { Err(RETRY_AFTER_SECONDS) } else { Ok(()) }
    }

    /// A job was accepted.
    pub(crate) fn accepted(&self, user_id: &UserId) {
        if let Some(mut shard) = self.shard(self.count.of_user(user_id)) {
            shard.add(user_id, Instant::now());
        }
    }

    fn shard(&self, shard: Shard) -> Option<MutexGuard<'_, OfShard>> {
        Some(self.shards.get(usize::from(shard.get()))?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shards to be asked about.
    fn large(&self) -> Vec<Shard> {
        let is_large = |shard: &Shard| {
            self.shard(*shard).is_some_and(|shard| shard.jobs >= ASK_FROM_JOBS || !shard.parked.is_empty())
        };
        self.count.all().filter(is_large).collect()
    }

    /// Users with jobs that do not wait in the queue any more, and may be parked.
    fn perhaps_parked(&self, settled: &[(Shard, Instant)]) -> HashSet<UserId> {
        let of_shard = |(shard, until): &(Shard, Instant)| self.shard(*shard).map(|shard| shard.perhaps_parked(*until));
        settled.iter().filter_map(of_shard).flatten().take(MAX_PARKED_USERS).collect()
    }

    /// Notes how much is parked of those of the asked users of whom anything is, and forgets what is decided.
    fn settle(&self, settled: &[(Shard, Instant)], asked: &HashSet<UserId>, mut parked: HashMap<UserId, u32>) {
        for user_id in asked {
            if let Some(mut shard) = self.shard(self.count.of_user(user_id)) {
                match parked.remove_entry(user_id) {
                    Some((user_id, jobs)) => shard.parked.insert(user_id, jobs),
                    None => shard.parked.remove(user_id),
                };
            }
        }
        for (shard, until) in settled {
            if let Some(mut shard) = self.shard(*shard) {
                shard.forget_until(*until);
            }
        }
    }
}

impl OfShard {
    /// Most shards have fewer in all: then no user need be looked for, in up to [`MAX_PERIODS`] maps.
    fn anybody_may_have(&self, jobs: u32) -> bool {
        self.jobs >= u64::from(jobs) || !self.parked.is_empty()
    }

    fn of_user(&self, user_id: &UserId) -> u32 {
        let counted = self.periods.iter().filter_map(|period| period.users.get(user_id));
        counted.chain(self.parked.get(user_id)).fold(0, |sum, jobs| sum.saturating_add(*jobs))
    }

    fn add(&mut self, user_id: &UserId, now: Instant) {
        if self.periods.back().is_none_or(|period| now.duration_since(period.first) >= PERIOD) {
            self.periods.push_back(Period { first: now, last: now, jobs: 0, users: HashMap::new() });
            self.merge_oldest();
        }
        let Some(period) = self.periods.back_mut() else { return };
        period.last = now;
        period.add(user_id, 1);
        self.jobs += 1;
    }

    fn merge_oldest(&mut self) {
        if self.periods.len() > MAX_PERIODS
            && let (Some(oldest), Some(next)) = (self.periods.pop_front(), self.periods.front_mut())
        {
            next.first = oldest.first;
            oldest.users.iter().for_each(|(user_id, jobs)| next.add(user_id, *jobs));
        }
    }

    fn perhaps_parked(&self, until: Instant) -> Vec<UserId> {
        let settled = self.periods.iter().take_while(|period| period.last < until).flat_map(|period| &period.users);
        let busy = settled.filter(|(_, jobs)| **jobs >= PARKED_FROM_JOBS).map(|(user_id, _)| user_id);
        self.parked.keys().chain(busy).cloned().collect()
    }

    fn forget_until(&mut self, until: Instant) {
        while let Some(period) = self.periods.pop_front_if(|period| period.last < until) {
            self.jobs = self.jobs.saturating_sub(period.jobs);
        }
    }
}

impl Period {
    fn add(&mut self, user_id: &UserId, jobs: u32) {
        self.jobs += u64::from(jobs);
        if let Some(count) = self.users.get_mut(user_id) {
            *count = count.saturating_add(jobs);
            return;
        }
        let mut fewest = 1;
        while self.users.len() >= MAX_USERS {
            self.users.retain(|_, jobs| *jobs > fewest);
            fewest = fewest.saturating_mul(2);
        }
        self.users.insert(user_id.clone(), jobs);
    }
}

/// What is asked may be away.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unknown {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds out what is decided. While it cannot, what is not known to be decided counts as waiting.
pub(crate) struct Recount {
    pub(crate) intake: Data<Intake>,
    pub(crate) pool: Data<Pool>,
}

impl Task for Recount {
    const NAME: &'static str = "undecided";
    type Error = Unknown;

    async fn round(&mut self) -> Result<Duration, Unknown> {
        look(&self.intake, &self.pool).await?;
        Ok(LOOK_EVERY)
    }

    fn backoff(&self) -> Backoff {
        Backoff::constant(LOOK_EVERY)
    }
}

async fn look(intake: &Intake, pool: &Pool) -> Result<(), Unknown> {
    let undecided = &intake.undecided;
    let shards = undecided.large();
    if shards.is_empty() {
        return Ok(());
    }
    let now = Instant::now();
    let depths = intake.queue.depths(&shards).await?;
    let settled: Vec<_> = depths.iter().filter_map(|depth| Some((depth.shard, settled_until(depth, now)?))).collect();
    let asked = undecided.perhaps_parked(&settled);
    let user_ids: Vec<&UserId> = asked.iter().collect();
    let parked = parked::count_of(pool, &user_ids, MOST_JOBS).await?;
    undecided.settle(&settled, &asked, parked);
    Ok(())
}

/// What was accepted until then is in the queue no more.
fn settled_until(depth: &Depth, now: Instant) -> Option<Instant> {
    now.checked_sub(Duration::from_millis(depth.oldest_waiting_ms.unwrap_or(0)) + SLACK)
}

#[cfg(test)]
mod tests;
