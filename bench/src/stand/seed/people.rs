//! What a seeded database tells of: who did what, when.

use anyhow::{Context, Result, ensure};
use satchel_model::ids::{JobId, ShardCount, Uid, UserId, UserKey};
use uuid::Uuid;

use crate::load::job::ITEMS;
use crate::load::random::Random;

/// Jobs that each user has had.
pub(super) const JOBS_PER_USER: u64 = 50;
/// Ledger entries that each user has: a job rewards one item, as those of the load do.
pub(crate) const ENTRIES_PER_USER: u64 = JOBS_PER_USER;

/// The oldest job's age, and for how long jobs came, in days. All are younger than 90 days, after which
/// housekeeping forgets jobs.
const OLDEST_DAYS: u64 = 61;
const SPAN_DAYS: u64 = 60;
const MICROS_PER_DAY: u64 = 86_400 * 1_000_000;

/// Users, each with [`JOBS_PER_USER`] jobs.
#[derive(Debug)]
pub(crate) struct People {
    ids: Vec<UserId>,
    /// Who is played later.
    players: usize,
    /// When the first job was applied, in microseconds since 1970.
    first_micros: u64,
}

impl People {
    /// So many that they have had `records` jobs, rounded up to a multiple of the players. Every n-th is one of
    /// the `players` that the load plays, `u0`, `u1`, …; the others are named after them (`u7.1`, `u7.2`, …), so that
    /// the players lie evenly among the rest in every table and index.
    ///
    /// `now_micros` is the database's time, in microseconds since 1970.
    pub(crate) fn new(records: u64, players: u64, now_micros: u64) -> Result<Self> {
        ensure!(players > 0, "there must be players");
        let each = records.div_ceil(JOBS_PER_USER * players);
        let ids = (0..players).flat_map(|player| (0..each).map(move |other| (player, other)));
        let ids = ids.map(|(player, other)| Self::id(player, other)).collect::<Result<_>>()?;
        let first_micros = now_micros.saturating_sub(OLDEST_DAYS * MICROS_PER_DAY);
        Ok(Self { ids, players: usize::try_from(players)?, first_micros })
    }

    fn id(player: u64, other: u64) -> Result<UserId> {
        let id = if other == 0 { format!("u{player}") } else { format!("u{player}.{other}") };
        UserId::parse(&id).with_context(|| format!("{id} is no user id"))
    }

    /// All users' ids.
    pub(crate) fn ids(&self) -> &[UserId] {
        &self.ids
    }

    /// Where the users' rows are: numbered in the order of their names here.
    pub(super) fn keys(&self, shards: ShardCount) -> Vec<UserKey> {
        let key = |(user_id, number)| UserKey { shard: shards.of_user(user_id), uid: Uid::new(number) };
        self.ids.iter().zip(1..).map(key).collect()
    }

    /// How many users there are for each player, itself included.
    pub(crate) fn users_per_player(&self) -> usize {
        self.ids.len() / self.players
    }

    pub(super) fn users(&self) -> u64 {
        self.ids.len() as u64
    }

    /// How many jobs they have had.
    pub(crate) fn jobs(&self) -> u64 {
        self.users() * JOBS_PER_USER
    }

    /// All jobs in the order of their time: the first of every user, then the second of every user, and so on.
    pub(super) fn all_jobs(&self) -> impl Iterator<Item = Job<'_>> {
        (0..JOBS_PER_USER).flat_map(move |nth| {
            self.ids.iter().enumerate().map(move |(user, user_id)| {
                let number = nth * self.users() + user as u64;
                Job { number, nth, user, user_id, at_micros: self.at_micros(number) }
            })
        })
    }

    /// The ids of so many jobs, at most, that lie evenly among all.
    pub(crate) fn job_ids(&self, most: usize) -> Vec<Uuid> {
        let step = usize::try_from(self.jobs()).unwrap_or(usize::MAX).div_ceil(most.max(1)).max(1);
        self.all_jobs().step_by(step).map(|job| job.id()).collect()
    }

    /// When a job was applied.
    pub(super) fn at_micros(&self, number: u64) -> u64 {
        self.first_micros + number * (SPAN_DAYS * MICROS_PER_DAY / self.jobs().max(1))
    }
}

/// A job that a user has had.
#[derive(Debug, Clone, Copy)]
pub(super) struct Job<'p> {
    /// Its place among all jobs.
    pub(super) number: u64,
    /// Its place among the user's jobs, from 0.
    pub(super) nth: u64,
    /// The user's place among all users.
    pub(super) user: usize,
    /// Whose.
    pub(super) user_id: &'p UserId,
    /// When it was applied, in microseconds since 1970.
    pub(super) at_micros: u64,
}

impl Job<'_> {
    /// Its id, as the API makes them.
    pub(super) fn id(&self) -> Uuid {
        let mut random = [0; 10];
        for (place, byte) in random.iter_mut().zip(Random::new(self.number).next().to_be_bytes()) {
            *place = byte;
        }
        let uuid = uuid::Builder::from_unix_timestamp_millis(self.at_micros / 1_000, &random).into_uuid();
        JobId::placed(uuid, self.user_id).as_uuid()
    }

    /// What it rewards, one of it: all items by turns.
    pub(super) fn item(&self) -> &'static str {
        let [gold, potion, arrow, gem] = ITEMS;
        match self.nth % 4 {
            0 => gold,
            1 => potion,
            2 => arrow,
            _ => gem,
        }
    }

    /// What the user has of it afterwards.
    pub(super) fn balance(&self) -> u64 {
        self.nth / 4 + 1
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NOW_MICROS: u64 = 1_800_000_000_000_000;

    #[test]
    fn there_are_as_many_records_as_asked_for_and_players_lie_evenly_among_the_users() {
        let people = People::new(3_000, 10, NOW_MICROS).unwrap();
        assert_eq!((people.jobs(), people.ids().len(), people.users_per_player()), (3_000, 60, 6));
        let mut ids: Vec<&str> = people.ids().iter().map(UserId::as_str).collect();
        assert_eq!(ids[..7], ["u0", "u0.1", "u0.2", "u0.3", "u0.4", "u0.5", "u1"]);
        ids.sort_unstable();
        assert_eq!(ids.iter().step_by(6).filter(|id| !id.contains('.')).count(), 10);
    }

    #[test]
    fn jobs_have_ids_of_their_own_and_are_in_order_of_time() {
        let people = People::new(1_000, 10, NOW_MICROS).unwrap();
        let jobs: Vec<_> = people.all_jobs().collect();
        assert_eq!(jobs.iter().map(Job::id).collect::<BTreeSet<_>>().len(), jobs.len());
        assert!(jobs.is_sorted_by(|one, next| one.at_micros < next.at_micros));
        assert!(jobs.iter().all(|job| job.at_micros < NOW_MICROS));
    }
}
