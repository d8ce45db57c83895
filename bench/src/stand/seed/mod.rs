//! A database as it is after years: users, holdings and their records in whole hash chains, without having applied them
//! one by one.
//!
//! Records, their hashes and the signed heads are made by the service's own code and the rows go in by COPY, in the
//! order of their time, as they would have been written; indexes and keys are dropped before and made again after, from
//! their own definitions. Two differences to a database that has grown remain: indexes are packed (their
//! first new entries split pages), and statistics are fresh.

mod ledger;
mod people;
mod rows;
mod tables;

use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use satchel_model::ids::ShardCount;

pub(crate) use self::people::{ENTRIES_PER_USER, People};
use super::schema;
use super::sql::Psql;

/// The tables that are filled, largest first.
const TABLES: [&str; 4] = ["records", "holdings", "users", "user_names"];

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
    let users = people.keys(ShardCount::new(shards).context("a number of shards that cannot be")?);
    let catalogue_version: i64 = owner.number(schema::CATALOGUE_VERSION)?;
    for table in TABLES {
        let is_empty = owner.run(&format!("SELECT NOT EXISTS (SELECT FROM {table})"))?;
        ensure!(is_empty == "t", "{table} is not empty: only a fresh database is seeded");
    }
    let start = Instant::now();
    let dropped = tables::drop_indexes(owner, &TABLES)?;
    thread::scope(|scope| -> Result<()> {
        let beside = scope.spawn(|| {
            rows::copy_names(owner, people, &users)?;
            rows::copy_holdings(owner, people, &users)
        });
        let heads = ledger::copy(owner, people, &users, catalogue_version)?;
        rows::copy_users(owner, &users, &heads)?;
        beside.join().map_err(|_| anyhow!("the thread that copies names and holdings has crashed"))?
    })?;
    rows::count_jobs(owner, &users)?;
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
