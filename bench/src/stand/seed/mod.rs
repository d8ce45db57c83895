//! A database as it is after years: users, holdings, decided jobs and a ledger with whole hash chains, without having
//! applied them one by one.
//!
//! Every entry's hash is computed by the service's own code ([`LedgerEntry::chain`]) and the rows go in by COPY, in the
//! order of their time, as they would have been written; indexes and keys are dropped before and made again after, from
//! their own definitions. Two differences to a database that has grown remain: indexes are packed (their
//! first new entries split pages), and statistics are fresh.

mod ledger;
mod people;
mod rows;
mod tables;

use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};

pub(crate) use self::people::{ENTRIES_PER_USER, People};
use super::schema;
use super::sql::Psql;

/// The tables that are filled, largest first.
const TABLES: [&str; 4] = ["ledger", "jobs", "inventory", "users"];

/// What a seeding took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seeded {
    /// Writing the rows, in seconds.
    pub(crate) copy_seconds: f64,
    /// Making keys and indexes, in seconds.
    pub(crate) index_seconds: f64,
    /// Vacuum, statistics and checkpoint, in seconds.
    pub(crate) settle_seconds: f64,
    /// What the database takes on disk afterwards, without its log, in bytes.
    pub(crate) database_bytes: u64,
}

/// Fills the freshly migrated database of `owner`, whose catalogue knows the items, with what `people` have done.
pub(crate) fn fill(owner: &Psql, people: &People) -> Result<Seeded> {
    let shards: u16 = owner.number(schema::SHARDS)?;
    let catalogue_version: i64 = owner.number(schema::CATALOGUE_VERSION)?;
    for table in TABLES {
        let is_empty = owner.run(&format!("SELECT NOT EXISTS (SELECT FROM {table})"))?;
        ensure!(is_empty == "t", "{table} is not empty: only a fresh database is seeded");
    }
    let start = Instant::now();
    let dropped = tables::drop_indexes(owner, &TABLES)?;
    let jobs = thread::scope(|scope| -> Result<()> {
        let jobs = scope.spawn(|| rows::copy_jobs(owner, people));
        let heads = ledger::copy(owner, people, catalogue_version)?;
        rows::copy_users(owner, people, &heads)?;
        rows::copy_inventory(owner, people)?;
        jobs.join().map_err(|_| anyhow!("the thread that copies jobs has crashed"))?
    });
    jobs?;
    rows::count_jobs(owner, people, shards)?;
    let copied = Instant::now();
    tables::restore_indexes(owner, &dropped)?;
    let indexed = Instant::now();
    tables::settle(owner, &TABLES)?;
    Ok(Seeded {
        copy_seconds: copied.duration_since(start).as_secs_f64(),
        index_seconds: indexed.duration_since(copied).as_secs_f64(),
        settle_seconds: indexed.elapsed().as_secs_f64(),
        database_bytes: owner.number("SELECT pg_database_size(current_database())")?,
    })
}
