//! Jobs, users and holdings.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use satchel_model::ids::ShardCount;
use satchel_model::ledger::ChainHash;
use satchel_model::operations::{Operation, RewardInventoryItem};

use super::people::{ENTRIES_PER_USER, JOBS_PER_USER, Job, People};
use super::tables::Columns;
use crate::load::job::ITEMS;
use crate::load::random::Random;
use crate::stand::sql::Psql;

/// Who submitted the jobs.
pub(super) const ACTOR: &str = "service:bench";
/// The jobs' type.
pub(super) const TYPE: &str = RewardInventoryItem::NAME;

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

/// The request that submitted a job.
pub(super) fn request_id(job: &Job<'_>) -> uuid::Uuid {
    uuid::Uuid::from_u128(job.id().as_u128() ^ u128::from(u16::MAX))
}

/// Copies the decided jobs.
pub(super) fn copy_jobs(owner: &Psql, people: &People) -> Result<()> {
    let columns = Columns::of(
        owner,
        "jobs",
        &[
            "user_id",
            "job_id",
            "type",
            "payload_hash",
            "status",
            "result",
            "actor",
            "request_id",
            "attempts",
            "submitted_at",
            "applied_at",
        ],
    )?;
    columns.copy(owner, |line| {
        let mut clock = Clock::default();
        for job in people.all_jobs() {
            let (item, balance) = (job.item(), job.balance());
            let at = clock.text(job.at_micros)?;
            line.put("user_id", job.user_id)?;
            line.put("job_id", job.id())?;
            line.put("type", TYPE)?;
            line.put_bytes("payload_hash", &payload_hash(job.number))?;
            line.put("status", "applied")?;
            let granted = format_args!(r#"{{"itemId":"{item}","quantity":1,"balance":{balance}}}"#);
            line.put("result", format_args!(r#"{{"granted":[{granted}],"skipped":[]}}"#))?;
            line.put("actor", ACTOR)?;
            line.put("request_id", request_id(&job))?;
            line.put("attempts", 1)?;
            line.put("submitted_at", at)?;
            line.put("applied_at", at)?;
            line.end()?;
        }
        Ok(())
    })
}

/// Nobody sends these jobs again, so any 32 bytes do, as long as they do not compress.
fn payload_hash(number: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut random = Random::new(number);
    for part in bytes.chunks_exact_mut(8) {
        part.copy_from_slice(&random.next().to_be_bytes());
    }
    bytes
}

/// Copies the users with the ends of their chains.
pub(super) fn copy_users(owner: &Psql, people: &People, heads: &[ChainHash]) -> Result<()> {
    let columns = Columns::of(owner, "users", &["user_id", "version", "head"])?;
    columns.copy(owner, |line| {
        for (user_id, head) in people.ids().iter().zip(heads) {
            line.put("user_id", user_id)?;
            line.put("version", ENTRIES_PER_USER)?;
            line.put_bytes("head", &head.0)?;
            line.end()?;
        }
        Ok(())
    })
}

/// Copies what the users hold.
pub(super) fn copy_inventory(owner: &Psql, people: &People) -> Result<()> {
    let columns = Columns::of(
        owner,
        "inventory",
        &["user_id", "item_id", "quantity", "granted_total", "used_total", "last_granted_at", "updated_at"],
    )?;
    columns.copy(owner, |line| {
        let mut clock = Clock::default();
        for (user_id, user) in people.ids().iter().zip(0..) {
            for (item, turn) in ITEMS.iter().zip(0..) {
                // Of the user's jobs every fourth, from this turn on.
                let turns = ITEMS.len() as u64;
                let last = JOBS_PER_USER - 1 - (JOBS_PER_USER - 1 - turn) % turns;
                let quantity = last / turns + 1;
                let at = clock.text(people.at_micros(last * people.users() + user))?;
                line.put("user_id", user_id)?;
                line.put("item_id", item)?;
                line.put("quantity", quantity)?;
                line.put("granted_total", quantity)?;
                line.put("used_total", 0)?;
                line.put("last_granted_at", at)?;
                line.put("updated_at", at)?;
                line.end()?;
            }
        }
        Ok(())
    })
}

/// Has the statistics count the jobs, each for its shard.
pub(super) fn count_jobs(owner: &Psql, people: &People, shards: u16) -> Result<()> {
    let shards = ShardCount::new(shards).context("a number of shards that cannot be")?;
    let mut counts: BTreeMap<u16, u64> = BTreeMap::new();
    for user_id in people.ids() {
        *counts.entry(shards.of_user(user_id).get()).or_default() += JOBS_PER_USER;
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
