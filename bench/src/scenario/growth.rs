//! `growth`: whether a large ledger makes anything slower: the drain rate and the latency of inventory reads with an
//! empty ledger and with 1, 10 and 50 million entries.
//!
//! Each size has fresh servers, which are seeded (`stand::seed`) with users of 50 entries each. Always the same 10,000
//! users are played, lying evenly among all others in every table and index; reads ask for any user.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::grown::Grown;
use super::{costs, drain, query};
use crate::bench::Bench;
use crate::load::get::GetMaker;
use crate::load::job::{Accepted, USERS};
use crate::load::open::{self, Plan};
use crate::stand::contender::Kind;
use crate::stand::seed::People;
use crate::stand::statements;
use crate::stand::usage::Usage;

const SCENARIO: &str = "growth";
const NAME: &str = "satchel";

/// Connections of the reads at a fixed rate, and how many different users they ask for.
const READ_CONNECTIONS: usize = 16;
const MAX_READ_USERS: usize = 50_000;
const READ_WARM_UP: Duration = Duration::from_secs(2);

/// Which sizes, and how much is measured at each.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Ledger entries beforehand, after none at all. 50 million take about 26 GB of disk.
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1_000_000, 10_000_000, 50_000_000])]
    pub(crate) rows: Vec<u64>,
    /// Jobs that are drained.
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    pub(crate) jobs: usize,
    /// Reads a second, at times that do not depend on the answers.
    #[arg(long, value_name = "R", default_value_t = 1_000)]
    pub(crate) rate: u32,
    /// For how long reads count, in seconds: at that rate, and again as many as can be.
    #[arg(long, value_name = "S", default_value_t = 10)]
    pub(crate) seconds: u64,
}

/// What was measured at one size.
#[derive(Debug, Clone, Copy)]
struct Measured {
    drain_per_second: f64,
    read_p99_ms: f64,
}

/// Measures Satchel at every size.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    let empty = measure(bench, 0, options)?;
    for rows in &options.rows {
        let grown = measure(bench, *rows, options)?;
        let scenario = scenario(*rows);
        let drain = 100.0 * grown.drain_per_second / empty.drain_per_second.max(f64::MIN_POSITIVE);
        bench.report.figure(&scenario, NAME, "drain, of that of an empty ledger", drain, "%");
        let p99 = grown.read_p99_ms / empty.read_p99_ms.max(f64::MIN_POSITIVE);
        bench.report.figure(&scenario, NAME, "read p99, of that of an empty ledger", p99, "times");
    }
    bench.report.print_table();
    Ok(())
}

/// `growth at 10 million`, as rows are named.
fn scenario(rows: u64) -> String {
    match rows {
        0 => format!("{SCENARIO} at 0"),
        rows if rows.is_multiple_of(1_000_000) => format!("{SCENARIO} at {} million", rows / 1_000_000),
        rows => format!("{SCENARIO} at {rows}"),
    }
}

fn measure(bench: &mut Bench, rows: u64, options: &Options) -> Result<Measured> {
    let scenario = scenario(rows);
    eprintln!("bench: {scenario}");
    let mut grown = Grown::start(bench, &scenario, rows, &[])?;
    let (drain_per_second, accepted) = drain(bench, &scenario, &mut grown, options.jobs)?;

    let users = readers(grown.people.as_ref());
    let requests = Arc::new(query::requests(&*grown.satchel, &users)?);
    let step = users.len() / READ_CONNECTIONS;
    let makers = (0..READ_CONNECTIONS).map(|place| GetMaker::new(Arc::clone(&requests), place * step)).collect();
    let window = Duration::from_secs(options.seconds);
    let plan = Plan { per_second: options.rate, warm_up: READ_WARM_UP, window };
    let outcome = open::run(grown.satchel.address(), makers, plan)?;
    let all = query::Options { seconds: options.seconds, connections: READ_CONNECTIONS };
    let most = query::read(&*grown.satchel, &users, &all)?;
    grown.satchel.check_runs()?;
    for trouble in [outcome.tally.trouble(), most.trouble()].into_iter().flatten() {
        bench.report.fault(&scenario, NAME, &trouble);
    }
    let read_p99_ms = outcome.tally.percentile_ms(99.0);
    let at = format!("read at {}/s", options.rate);
    bench.report.figure(&scenario, NAME, &format!("{at}, p50"), outcome.tally.percentile_ms(50.0), "ms");
    bench.report.figure(&scenario, NAME, &format!("{at}, p99"), read_p99_ms, "ms");
    bench.report.figure(&scenario, NAME, "reads", query::per_second(&most, options.seconds), "reads/s");

    grown.check(bench, &scenario, &accepted)?;
    Ok(Measured { drain_per_second, read_p99_ms })
}

/// Drains a backlog, reports, and gives the rate by the database's clock and what was accepted.
fn drain(bench: &mut Bench, scenario: &str, grown: &mut Grown, jobs: usize) -> Result<(f64, Vec<Accepted>)> {
    let accepted = grown.satchel.fill(jobs, 0)?;
    let start = grown.owner.run("SELECT clock_timestamp()")?;
    let (usage, wal_bytes) = (Usage::of(&grown.satchel.processes())?, statements::wal_bytes(&grown.owner)?);
    grown.satchel.start_workers(grown.satchel.best_workers())?;
    grown.wait(accepted.len())?;
    let used = Usage::of(&grown.satchel.processes())?.since(&usage);
    let wal_bytes = statements::wal_bytes(&grown.owner)? - wal_bytes;
    grown.satchel.stop_workers();
    let rate = drain::rate(&grown.owner, Kind::Satchel, &start)?;
    bench.report.figure(scenario, NAME, "drain", rate, "jobs/s");
    let drained = f64::from(u32::try_from(accepted.len())?);
    costs::report(&mut bench.report, scenario, NAME, &used, drained);
    bench.report.figure(scenario, NAME, "log of Postgres", wal_bytes / drained.max(1.0), "B/job");
    Ok((rate, accepted))
}

/// Whose inventories are read: of all users every n-th, so that they are at most [`MAX_READ_USERS`].
fn readers(people: Option<&People>) -> Vec<String> {
    let Some(people) = people else { return (0..USERS).map(|user| format!("u{user}")).collect() };
    // Without a divisor in common with the number of users for each player: else players would come too often.
    let (least, each) = (people.ids().len().div_ceil(MAX_READ_USERS), people.users_per_player());
    let step = (least..=least + each).find(|step| is_coprime(*step, each)).unwrap_or(least);
    people.ids().iter().step_by(step).map(ToString::to_string).collect()
}

fn is_coprime(mut one: usize, mut other: usize) -> bool {
    // Euclid's algorithm.
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_not_the_players_alone() {
        for entries in [1_000_000, 10_000_000, 12_345_678] {
            let people = People::new(entries, USERS.into(), 1_800_000_000_000_000).unwrap();
            let readers = readers(Some(&people));
            assert!((MAX_READ_USERS / 3..=MAX_READ_USERS).contains(&readers.len()), "{}", readers.len());
            let players = readers.iter().filter(|user| !user.contains('.')).count();
            let fair = readers.len() / people.users_per_player();
            assert!(players.abs_diff(fair) <= 1, "{players} of {}", readers.len());
        }
    }

    #[test]
    fn sizes_are_named_in_millions_where_they_are_whole_ones() {
        assert_eq!([0, 50_000_000, 20_000].map(scenario), ["growth at 0", "growth at 50 million", "growth at 20000"]);
    }
}
