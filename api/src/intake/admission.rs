//! Bounds how many jobs one actor may bring: a player or a service, in this process. Each has a bucket of `burst` places,
//! of which every job, refused or not, takes one, and which empties at a steady rate. A request for which there is no room
//! takes none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use satchel_model::access::{Actor, Role};
use satchel_model::ids::UserId;
use satchel_settings::Env;

use super::submitter::most_entries;

/// The most actors of a role that are remembered at once; whoever came longest ago is forgotten first.
const MAX_ACTORS: u64 = 100_000;

/// The highest rate that can be asked for, in jobs per second.
const MAX_PER_SECOND: u32 = 1_000_000;
/// The largest burst that can be asked for, in jobs.
const MAX_BURST: u32 = 10_000_000;

/// What a player may bring steadily, in jobs per second, and at once, in jobs.
const PLAYER_PER_SECOND: u32 = 20;
const PLAYER_BURST: u32 = 1_200;
/// What a service may bring at once if its rate is limited, in jobs.
const SERVICE_BURST: u32 = 100_000;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// How much each actor of a role may bring.
#[derive(Debug, Clone, Copy)]
struct Rate {
    /// Jobs per second; 0 for no limit.
    per_second: u32,
    /// Jobs at once.
    burst: u32,
}

/// How much each actor may bring.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    /// `SATCHEL_PLAYER_JOBS_PER_SECOND`, `SATCHEL_PLAYER_JOBS_BURST`. Default 20 and 1,200.
    players: Rate,
    /// `SATCHEL_SERVICE_JOBS_PER_SECOND`, `SATCHEL_SERVICE_JOBS_BURST`. Default 0, no limit, and 100,000.
    services: Rate,
}

impl Rates {
    /// Reads the environment; faults are noted in `env`.
    pub(crate) fn from_env(env: &mut Env) -> Self {
        // Else the largest array would never be admitted.
        let burst = |role| u32::try_from(most_entries(role)).unwrap_or(MAX_BURST)..=MAX_BURST;
        let mut rate = |[per_second, burst_name]: [&str; 2], default: Rate, role| Rate {
            per_second: env.number_or(per_second, 0..=MAX_PER_SECOND, default.per_second),
            burst: env.number_or(burst_name, burst(role), default.burst),
        };
        Self {
            players: rate(
                ["SATCHEL_PLAYER_JOBS_PER_SECOND", "SATCHEL_PLAYER_JOBS_BURST"],
                Rate { per_second: PLAYER_PER_SECOND, burst: PLAYER_BURST },
                Role::Player,
            ),
            services: rate(
                ["SATCHEL_SERVICE_JOBS_PER_SECOND", "SATCHEL_SERVICE_JOBS_BURST"],
                Rate { per_second: 0, burst: SERVICE_BURST },
                Role::Service,
            ),
        }
    }
}

/// See the module.
pub(crate) struct Admission {
    began: Instant,
    players: Buckets,
    services: Buckets,
}

impl Admission {
    pub(crate) fn new(rates: Rates) -> Self {
        Self { began: Instant::now(), players: Buckets::new(rates.players), services: Buckets::new(rates.services) }
    }

    /// Admits so many jobs, all or none; if none, says in how many seconds there is room for them.
    pub(crate) fn admit(&self, actor: &Actor, jobs: usize) -> Result<(), u64> {
        match actor.role {
            Role::Player => self.players.take(&actor.subject, jobs, self.began.elapsed()),
            Role::Service => self.services.take(&actor.subject, jobs, self.began.elapsed()),
            Role::Operator => Ok(()),
        }
    }
}

/// The buckets of one role's actors.
struct Buckets {
    rate: Rate,
    /// When each bucket will be empty if nothing more comes, in nanoseconds from when the process began.
    empty_at: Cache<UserId, Arc<AtomicU64>>,
}

impl Buckets {
    fn new(rate: Rate) -> Self {
        let empty_at = Cache::builder().max_capacity(MAX_ACTORS).eviction_policy(EvictionPolicy::lru()).build();
        Self { rate, empty_at }
    }

    fn take(&self, who: &UserId, jobs: usize, now: Duration) -> Result<(), u64> {
        let Some(per_job) = NANOS_PER_SECOND.checked_div(self.rate.per_second.into()) else { return Ok(()) };
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let room = per_job.saturating_mul(self.rate.burst.into());
        let cost = per_job.saturating_mul(jobs as u64);
        let after = |empty_at: u64| empty_at.max(now).saturating_add(cost);
        let empty_at = self.empty_at.get_with_by_ref(who, Arc::default);
        let taken = empty_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| {
            Some(after(empty_at)).filter(|after| after - now <= room)
        });
        taken.map(drop).map_err(|empty_at| (after(empty_at) - now - room).div_ceil(NANOS_PER_SECOND))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    #[test]
    fn jobs_beyond_the_burst_wait_until_there_is_room_for_all_of_them() {
        let buckets = Buckets::new(Rate { per_second: 10, burst: 100 });
        let (one, other) = (user("u1"), user("u2"));
        assert_eq!(buckets.take(&one, 100, at(5_000)), Ok(()));
        assert_eq!(buckets.take(&one, 1, at(5_000)), Err(1), "a tenth of a second, in whole seconds");
        assert_eq!(buckets.take(&one, 100, at(5_000)), Err(10));
        assert_eq!(buckets.take(&one, 11, at(6_000)), Err(1), "what was refused took nothing");
        assert_eq!(buckets.take(&one, 10, at(6_000)), Ok(()));
        assert_eq!(buckets.take(&one, 1, at(6_000)), Err(1));
        assert_eq!(buckets.take(&other, 100, at(6_000)), Ok(()));
        assert_eq!(buckets.take(&one, 101, at(900_000)), Err(1), "no more than the burst, however long ago");
    }

    #[test]
    fn a_rate_of_zero_is_no_limit_and_operators_have_none() {
        let buckets = Buckets::new(Rate { per_second: 0, burst: 100 });
        assert_eq!(buckets.take(&user("u1"), 1_000_000, at(0)), Ok(()));
        let rate = Rate { per_second: 1, burst: 1 };
        let admission = Admission::new(Rates { players: rate, services: rate });
        let actor = |role| Actor::new(role, "same", satchel_model::access::Scopes::default()).unwrap();
        assert_eq!(admission.admit(&actor(Role::Operator), 1_000), Ok(()));
        assert_eq!(admission.admit(&actor(Role::Player), 1), Ok(()));
        assert!(admission.admit(&actor(Role::Player), 5).is_err());
        assert_eq!(admission.admit(&actor(Role::Service), 1), Ok(()), "another actor of the same name");
    }
}
