//! Users and holdings.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use satchel_model::ids::UserKey;
use satchel_model::ledger::{Head, LedgerKey};

use super::people::{JOBS_PER_USER, People};
use super::tables::Columns;
use crate::load::job::ITEMS;
use crate::stand::satchel::LEDGER_KEY;
use crate::stand::sql::Psql;

/// A moment as Postgres reads it fastest. Times that follow each other within a second are written quickly.
#[derive(Debug, Default)]
pub(super) struct Clock {
    second: u64,
    text: String,
}

impl Clock {
    /// `micros` since 1970 as `2026-01-31 12:00:00.123456+00`.
    pub(super) fn text(&mut self, micros: u64) -> Result<&str> {
        let (second, fraction) = (micros / 1_000_000, micros % 1_000_000);
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text = format!("{}.000000+00", moment(second * 1_000_000)?.format("%Y-%m-%d %H:%M:%S"));
        }
        let start = self.text.len().saturating_sub("000000+00".len());
        self.text.truncate(start);
        std::fmt::Write::write_fmt(&mut self.text, format_args!("{fraction:06}+00"))?;
        Ok(&self.text)
    }
}

/// A time in microseconds since 1970.
pub(super) fn moment(micros: u64) -> Result<DateTime<Utc>> {
    i64::try_from(micros).ok().and_then(DateTime::from_timestamp_micros).context("a time far away")
}

/// Copies the users' names and numbers.
pub(super) fn copy_names(owner: &Psql, people: &People, users: &[UserKey]) -> Result<()> {
    let columns = Columns::of(owner, "user_names", &["user_id", "shard", "uid"])?;
    columns.copy(owner, |line| {
        for (user_id, user) in people.ids().iter().zip(users) {
            line.put("user_id", user_id)?;
            line.put("shard", user.shard.get())?;
            line.put("uid", user.uid)?;
            line.end()?;
        }
        Ok(())
    })?;
    // Those to come are numbered behind these.
    owner.run("SELECT setval(pg_get_serial_sequence('user_names', 'uid'), max(uid)) FROM user_names").map(drop)
}

/// Copies where the users' ledgers end, signed by the workers' key.
pub(super) fn copy_users(owner: &Psql, users: &[UserKey], heads: &[Head]) -> Result<()> {
    let key = LedgerKey::new(LEDGER_KEY.as_bytes())?;
    let columns = Columns::of(owner, "users", &["uid", "version", "decided_at", "shard", "hash", "mac"])?;
    columns.copy(owner, |line| {
        for (user, head) in users.iter().zip(heads) {
            line.put("uid", user.uid)?;
            line.put("version", head.version)?;
            line.put("decided_at", head.decided_at.context("a user without jobs")?)?;
            line.put("shard", user.shard.get())?;
            line.put_bytes("hash", &head.hash.0)?;
            line.put_bytes("mac", key.sign_head(user.uid, head).as_bytes())?;
            line.end()?;
        }
        Ok(())
    })
}

/// Copies what the users hold.
pub(super) fn copy_holdings(owner: &Psql, people: &People, users: &[UserKey]) -> Result<()> {
    let columns = Columns::of(
        owner,
        "holdings",
        &["uid", "quantity", "granted_total", "used_total", "last_granted_at", "updated_at", "shard", "item_id"],
    )?;
    columns.copy(owner, |line| {
        let mut clock = Clock::default();
        for (user, place) in users.iter().zip(0..) {
            for (item, turn) in ITEMS.iter().zip(0..) {
                // Of the user's jobs every fourth, from this turn on.
                let turns = ITEMS.len() as u64;
                let last = JOBS_PER_USER - 1 - (JOBS_PER_USER - 1 - turn) % turns;
                let quantity = last / turns + 1;
                let at = clock.text(people.at_micros(last * people.users() + place))?;
                line.put("uid", user.uid)?;
                line.put("quantity", quantity)?;
                line.put("granted_total", quantity)?;
                line.put("used_total", 0)?;
                line.put("last_granted_at", at)?;
                line.put("updated_at", at)?;
                line.put("shard", user.shard.get())?;
                line.put("item_id", item)?;
                line.end()?;
            }
        }
        Ok(())
    })
}

/// Has the statistics count the jobs, each for its shard.
pub(super) fn count_jobs(owner: &Psql, users: &[UserKey]) -> Result<()> {
    let mut counts: BTreeMap<u16, u64> = BTreeMap::new();
    for user in users {
        *counts.entry(user.shard.get()).or_default() += JOBS_PER_USER;
    }
    let counts: Vec<String> = counts.iter().map(|(shard, jobs)| format!("({shard}, {jobs})")).collect();
    owner.run(&format!(
        "UPDATE shard_counters
         SET applied = applied + jobs
         FROM (VALUES {}) AS counted (number, jobs)
         WHERE shard = number",
        counts.join(", ")
    ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_postgres_reads_them() {
        let mut clock = Clock::default();
        assert_eq!(clock.text(1_700_000_000_000_001).unwrap(), "2023-11-14 22:13:20.000001+00");
        assert_eq!(clock.text(1_700_000_000_123_456).unwrap(), "2023-11-14 22:13:20.123456+00");
        assert_eq!(clock.text(1_700_000_001_000_000).unwrap(), "2023-11-14 22:13:21.000000+00");
    }
}
