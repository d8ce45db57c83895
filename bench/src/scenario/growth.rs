//! `growth`: whether a large ledger makes anything slower: a drain, and reads of any user's inventory, of a page of any
//! user's history and of any job's status, with an empty ledger and with many records; and what it takes on disk.
//!
//! Each size has fresh servers, which are seeded (`stand::seed`) with users of 50 records each. Always the same 10,000
//! users are played, lying evenly among all others in every table and index. With `--minutes` a steady load follows, and
//! everything is measured again after it. Every part has an end of its own: jobs, seconds, or minutes.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::grown::{DRAIN_OF_EMPTY, Grown, NAME, P99_OF_EMPTY};
use super::{costs, drain, reads, size, soak, targets};
use crate::bench::Bench;
use crate::load::job::{Accepted, USERS};
use crate::stand::contender::Kind;
use crate::stand::seed::People;
use crate::stand::usage::Usage;

const SCENARIO: &str = "growth";

/// A page of a history is ten times the work of another read, and so is asked for a tenth as often.
const WORK_OF_A_PAGE: u32 = 10;
/// How many different users, and jobs, reads ask for.
const MAX_READ: usize = 50_000;

/// Which sizes, and how much is measured at each.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Records (decided jobs) beforehand, after none at all.
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [50_000_000])]
    pub(crate) records: Vec<u64>,
    /// Jobs that are drained, each time.
    #[arg(long, value_name = "N", default_value_t = 300_000)]
    pub(crate) jobs: usize,
    /// Reads a second, at times that do not depend on the answers; of history pages a tenth.
    #[arg(long, value_name = "R", default_value_t = 1_000)]
    pub(crate) rate: u32,
    /// For how long each kind of read counts, in seconds.
    #[arg(long, value_name = "S", default_value_t = 10)]
    pub(crate) seconds: u64,
    /// How often drain and reads are measured at each size; the median counts.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=20))]
    pub(crate) rounds: u16,
    /// A steady load for so many minutes at the largest size: what autovacuum, checkpoints and bloat come to.
    #[arg(long, value_name = "M", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub(crate) minutes: u64,
    /// Jobs a second of that load.
    #[arg(long, value_name = "R", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) load: u32,
}

/// Measures Satchel at every size.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    measure(bench, 0, Duration::ZERO, options)?;
    let largest = options.records.iter().max().copied();
    for records in &options.records {
        let soak = if Some(*records) == largest { options.minutes } else { 0 };
        measure(bench, *records, Duration::from_mins(soak), options)?;
    }
    bench.report.print_table();
    targets::report(&mut bench.report);
    Ok(())
}

/// `growth at 10 million`, as rows are named.
fn scenario(records: u64) -> String {
    match records {
        0 => format!("{SCENARIO} at 0"),
        records if records.is_multiple_of(1_000_000) => format!("{SCENARIO} at {} million", records / 1_000_000),
        records => format!("{SCENARIO} at {records}"),
    }
}

fn measure(bench: &mut Bench, records: u64, minutes: Duration, options: &Options) -> Result<()> {
    let scenario = scenario(records);
    eprintln!("bench: {scenario}");
    let mut grown = Grown::start(bench, &scenario, records, &[])?;
    let (users, jobs) = (readers(grown.people.as_ref()), job_ids(&grown));
    size::report(bench, &format!("{scenario}, on disk"), &grown.owner)?;
    let mut accepted = Vec::new();
    rounds(bench, &scenario, &mut grown, (&users, &jobs), options, &mut accepted)?;
    if !minutes.is_zero() {
        let after = format!("{scenario}, after {} minutes", minutes.as_secs() / 60);
        soak::run(bench, &after, &mut grown, soak::Load { per_second: options.load, length: minutes }, &mut accepted)?;
        rounds(bench, &after, &mut grown, (&users, &jobs), options, &mut accepted)?;
    }
    size::report(bench, &format!("{scenario}, on disk at the end"), &grown.owner)?;
    grown.satchel.check_runs()?;
    grown.check(bench, &scenario, &accepted)
}

/// Drains and reads, and says what that is of the same with an empty ledger.
fn rounds(
    bench: &mut Bench,
    scenario: &str,
    grown: &mut Grown,
    (users, jobs): (&[String], &[String]),
    options: &Options,
    accepted: &mut Vec<Accepted>,
) -> Result<()> {
    let load = reads::Load { per_second: options.rate, seconds: options.seconds };
    let pages = reads::Load { per_second: (options.rate / WORK_OF_A_PAGE).max(1), ..load };
    for _ in 0..options.rounds {
        accepted.extend(drain(bench, scenario, grown, accepted.len(), options.jobs)?);
        let page = |user: &String| format!("/api/v1/users/{user}/history?limit={}", reads::PAGE);
        for (what, load, paths) in [
            ("inventory", load, users.iter().map(|user| format!("/api/v1/users/{user}/inventory")).collect::<Vec<_>>()),
            ("history page", pages, users.iter().map(page).collect()),
            ("job status", load, jobs.iter().map(|job| format!("/api/v1/jobs/{job}")).collect()),
        ] {
            reads::measure(bench, scenario, &*grown.satchel, what, &paths, load)?;
        }
    }
    for (metric, measured, unit, whole) in
        [(DRAIN_OF_EMPTY, "drain", "%", 100.0), (P99_OF_EMPTY, "inventory, p99", "times", 1.0)]
    {
        let value = |scenario: &str| bench.report.value(scenario, NAME, measured);
        if let (Some(grown), Some(empty)) = (value(scenario), value(&self::scenario(0))) {
            bench.report.figure(scenario, NAME, metric, whole * grown / empty.max(f64::MIN_POSITIVE), unit);
        }
    }
    Ok(())
}

/// Drains a backlog, reports, and gives what was accepted; `before` were accepted since the start.
fn drain(bench: &mut Bench, scenario: &str, grown: &mut Grown, before: usize, jobs: usize) -> Result<Vec<Accepted>> {
    let accepted = grown.satchel.fill(jobs, 0)?;
    let start = grown.owner.run("SELECT clock_timestamp()")?;
    let (usage, wal_bytes) = (Usage::of(&grown.satchel.processes())?, size::wal_bytes(&grown.owner)?);
    grown.satchel.start_workers(grown.satchel.best_workers())?;
    grown.wait(before + accepted.len())?;
    let used = Usage::of(&grown.satchel.processes())?.since(&usage);
    let wal_bytes = size::wal_bytes(&grown.owner)? - wal_bytes;
    grown.satchel.stop_workers();
    let rate = drain::rate(&grown.owner, Kind::Satchel, &start)?;
    bench.report.figure(scenario, NAME, "drain", rate, "jobs/s");
    let drained = f64::from(u32::try_from(accepted.len())?);
    costs::report(&mut bench.report, scenario, NAME, &used, drained);
    bench.report.figure(scenario, NAME, "log of Postgres", wal_bytes / drained.max(1.0), "B/job");
    Ok(accepted)
}

/// Jobs whose status is asked for: seeded ones, or those of the stock.
fn job_ids(grown: &Grown) -> Vec<String> {
    match &grown.people {
        Some(people) => people.job_ids(MAX_READ).iter().map(ToString::to_string).collect(),
        None => grown.satchel.stock().iter().map(|job| job.job_id.to_string()).collect(),
    }
}

/// Who is read of: of all users every n-th, so that they are at most [`MAX_READ`].
fn readers(people: Option<&People>) -> Vec<String> {
    let Some(people) = people else { return (0..USERS).map(|user| format!("u{user}")).collect() };
    // Without a divisor in common with the number of users for each player: else players would come too often.
    let (least, each) = (people.ids().len().div_ceil(MAX_READ), people.users_per_player());
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
        for records in [1_000_000, 10_000_000, 12_345_678] {
            let people = People::new(records, USERS.into(), 1_800_000_000_000_000).unwrap();
            let readers = readers(Some(&people));
            assert!((MAX_READ / 3..=MAX_READ).contains(&readers.len()), "{}", readers.len());
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
