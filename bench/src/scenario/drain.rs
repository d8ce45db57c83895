//! `drain`: how fast jobs are applied that all wait already.

use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;

use super::{costs, verdict};
use crate::bench::Bench;
use crate::load::job::USERS;
use crate::report::Row;
use crate::stand::applied;
use crate::stand::contender::{Contender, Kind};
use crate::stand::servers::Servers;
use crate::stand::sql::Psql;
use crate::stand::usage::Usage;

/// How many jobs, and who applies them.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many jobs wait: half rewards, half uses, of 10,000 users and 4 items.
    #[arg(long, default_value_t = 250_000, value_parser = parse_jobs)]
    pub(crate) jobs: usize,
    /// How many of the jobs the peers get: enough to see their rate, which is far lower.
    #[arg(long, default_value_t = 25_000, value_parser = parse_jobs)]
    pub(crate) peer_jobs: usize,
    /// How many of Satchel's worker processes apply them. (The peers have as many as suits them.)
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) workers: u16,
    /// How often everybody's turn comes: what the machine does meanwhile meets all of them, and the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) rounds: u16,
}

/// At least so many that there is something between the first and the last.
const MIN_JOBS: usize = 100;

/// Reads a number of jobs, which may have underscores.
pub(crate) fn parse_jobs(text: &str) -> Result<usize, String> {
    let jobs = text.replace('_', "").parse().ok().filter(|jobs| *jobs >= MIN_JOBS);
    jobs.ok_or_else(|| format!("must be a number of at least {MIN_JOBS}"))
}

/// Drains with every contender.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    (0..options.rounds).try_for_each(|number| round(bench, options, number))?;
    bench.report.print_table();
    Ok(())
}

/// Drains with every contender once.
pub(super) fn round(bench: &mut Bench, options: &Options, number: u16) -> Result<()> {
    for kind in bench.turns(number) {
        let servers = Servers::start(bench.dir())?;
        let mut contender = kind.start(servers)?;
        let plan = match kind {
            Kind::Satchel => Plan { jobs: options.jobs, workers: options.workers.into(), hot_percent: 0 },
            _ => Plan { jobs: options.peer_jobs, workers: contender.best_workers(), hot_percent: 0 },
        };
        measure(bench, "drain", contender.as_mut(), plan)?;
    }
    Ok(())
}

/// One drain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// How many jobs wait.
    pub(crate) jobs: usize,
    /// How many worker processes.
    pub(crate) workers: usize,
    /// How many of a hundred jobs are for one user.
    pub(crate) hot_percent: u8,
}

/// Fills, drains, reports and checks. No worker may run before.
pub(crate) fn measure(bench: &mut Bench, scenario: &str, contender: &mut dyn Contender, plan: Plan) -> Result<()> {
    let name = contender.kind().name();
    let sql = Psql::new(&contender.servers().superuser_url())?;
    eprintln!("bench: {scenario}, {name}: queueing {} jobs", plan.jobs);
    let accepted = contender.fill(plan.jobs, plan.hot_percent)?;

    eprintln!("bench: {scenario}, {name}: draining");
    let began = sql.run("SELECT clock_timestamp()")?;
    let (before, start) = (Usage::of(&contender.processes())?, Instant::now());
    contender.start_workers(plan.workers)?;
    applied::wait(contender, usize::try_from(USERS)? + plan.jobs)?;
    let (used, wall) = (Usage::of(&contender.processes())?.since(&before), start.elapsed());
    contender.stop_workers();

    let note = format!("{} jobs, {} worker processes", plan.jobs, plan.workers);
    bench.report.add(Row {
        scenario: scenario.to_owned(),
        contender: name.to_owned(),
        metric: "applied".to_owned(),
        value: rate(&sql, contender.kind(), &began)?,
        unit: "jobs/s",
        note,
    });
    bench.report.figure(scenario, name, "workers' start and all jobs", wall.as_secs_f64(), "s");
    costs::report(&mut bench.report, scenario, name, &used, f64::from(u32::try_from(plan.jobs)?));
    verdict::report(&mut bench.report, scenario, contender, &accepted, plan.jobs)
}

/// Jobs a second by the database's clock, from the first applied to the last. What was applied at the first instant
/// marks the start: its own time is not in the span, so it does not count.
pub(super) fn rate(sql: &Psql, kind: Kind, began: &str) -> Result<f64> {
    let jobs = kind.tables().jobs;
    sql.number(&format!(
        "WITH jobs AS (SELECT * FROM ({jobs}) AS jobs WHERE applied_at > '{began}')
         SELECT count(*) FILTER (WHERE applied_at > first) / greatest(extract(epoch FROM last - first), 0.001)
         FROM jobs,
              (SELECT min(applied_at) AS first, max(applied_at) AS last FROM jobs) AS span
         GROUP BY first, last"
    ))
    .context("the rate of a drain")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_jobs_may_have_underscores_and_are_not_tiny() {
        assert_eq!(parse_jobs("1_000_000"), Ok(1_000_000));
        assert!(parse_jobs("99").is_err() && parse_jobs("many").is_err());
    }
}
