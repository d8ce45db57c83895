//! `profile`: where the time goes. Processor time per job of each part of the stand, Postgres's statements by the time
//! that they take, and what is written to its log, while a backlog drains and under a sustained load.
//!
//! `pg_stat_statements` costs a little itself, so rates here are not those of `drain` and `sustain`. It does not see how
//! long a commit waits for the disk.

use std::time::SystemTime;

use anyhow::{Context, Result};
use clap::Args;

use super::costs;
use super::grown::Grown;
use crate::bench::Bench;
use crate::load::closed::{self, Plan};
use crate::load::job::Accepted;
use crate::load::submit::SubmitMaker;
use crate::report::Report;
use crate::stand::contender::Kind;
use crate::stand::sql::Psql;
use crate::stand::statements::{self, Statement};
use crate::stand::usage::{Usage, Used};

const NAME: &str = "satchel";
/// Statements are named by so many of their first characters.
const MAX_LABEL_CHARS: usize = 60;

/// How much is looked at.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Jobs that are drained.
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    pub(crate) jobs: usize,
    /// For how long the sustained load is looked at, in seconds.
    #[arg(long, value_name = "S", default_value_t = 6)]
    pub(crate) seconds: u64,
    /// Connections of the sustained load.
    #[arg(long, value_name = "C", default_value_t = 128)]
    pub(crate) connections: u32,
    /// Records beforehand, as in `growth`.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) records: u64,
}

/// What was seen during a phase.
struct Profile {
    jobs: f64,
    used: Used,
    wal_bytes: f64,
    statements: Vec<Statement>,
}

/// A look at everything that counts up.
struct Look {
    usage: Usage,
    wal_bytes: f64,
}

impl Look {
    fn take(grown: &Grown) -> Result<Self> {
        let usage = Usage::of(&grown.satchel.processes())?;
        Ok(Self { wal_bytes: statements::wal_bytes(&grown.owner)?, usage })
    }
}

/// Looks at Satchel in both phases, each on fresh servers.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    for (phase, look) in [("drain", drain as Phase), ("sustain", sustain as Phase)] {
        let scenario = format!("profile of {phase}");
        let mut grown = Grown::start(bench, &scenario, options.records, &statements::SETTINGS)?;
        let (profile, accepted) = look(&mut grown, options)?;
        grown.satchel.check_runs()?;
        report(bench, &scenario, &profile);
        grown.check(bench, &scenario, &accepted)?;
    }
    bench.report.print_table();
    Ok(())
}

type Phase = fn(&mut Grown, &Options) -> Result<(Profile, Vec<Accepted>)>;

/// From the start of the workers until the backlog is gone.
fn drain(grown: &mut Grown, options: &Options) -> Result<(Profile, Vec<Accepted>)> {
    let accepted = grown.satchel.fill(options.jobs, 0)?;
    statements::reset(&grown.owner)?;
    let mut before = Look::take(grown)?;
    grown.satchel.start_workers(grown.satchel.best_workers())?;
    // The workers have used nothing before.
    before.usage = Usage::of(&grown.satchel.processes())?;
    grown.wait(accepted.len())?;
    let after = Look::take(grown)?;
    let profile = Profile {
        jobs: count(accepted.len()),
        used: after.usage.since(&before.usage),
        wal_bytes: after.wal_bytes - before.wal_bytes,
        statements: statements::longest(&grown.owner)?,
    };
    Ok((profile, accepted))
}

/// While the API is loaded as much as it bears and workers apply what comes.
fn sustain(grown: &mut Grown, options: &Options) -> Result<(Profile, Vec<Accepted>)> {
    grown.satchel.start_workers(grown.satchel.best_workers())?;
    let token = grown.satchel.token("service", "bench")?;
    let makers = SubmitMaker::for_connections(grown.satchel.address(), &token, options.connections);
    let running = closed::start(grown.satchel.address(), makers, Plan::seconds(options.seconds));
    let opened = running.wait_open();
    statements::reset(&grown.owner)?;
    let before = Look::take(grown)?;
    let closed = running.wait_closed();
    let after = Look::take(grown)?;
    let statements = statements::longest(&grown.owner)?;
    let accepted: Vec<Accepted> = running.finish()?.makers.into_iter().flat_map(SubmitMaker::into_accepted).collect();
    grown.wait(accepted.len())?;
    let profile = Profile {
        jobs: applied_between(&grown.owner, opened, closed)?,
        used: after.usage.since(&before.usage),
        wal_bytes: after.wal_bytes - before.wal_bytes,
        statements,
    };
    Ok((profile, accepted))
}

/// How many jobs were applied in a time; Postgres's clock is this machine's.
fn applied_between(owner: &Psql, from: SystemTime, to: SystemTime) -> Result<f64> {
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map(|since| since.as_secs_f64());
    let (from, to) = (seconds(from)?, seconds(to)?);
    owner
        .number(&format!(
            "SELECT count(*) FROM ({}) AS jobs
             WHERE applied_at BETWEEN to_timestamp({from:.6}) AND to_timestamp({to:.6})",
            Kind::Satchel.tables().jobs
        ))
        .context("cannot count the applied jobs")
}

fn count(jobs: usize) -> f64 {
    u32::try_from(jobs).map_or(f64::INFINITY, f64::from)
}

fn report(bench: &mut Bench, scenario: &str, profile: &Profile) {
    let jobs = profile.jobs.max(1.0);
    let report = &mut bench.report;
    report.figure(scenario, NAME, "applied", profile.jobs / profile.used.seconds, "jobs/s");
    let cpu_seconds = profile.used.cpu_seconds();
    report.figure(scenario, NAME, "cores busy", cpu_seconds / profile.used.seconds, "cores");
    costs::report(report, scenario, NAME, &profile.used, jobs);
    report.figure(scenario, NAME, "log of Postgres", profile.wal_bytes / jobs, "B/job");
    let sum = |of: fn(&Statement) -> f64| profile.statements.iter().map(of).sum::<f64>() / jobs;
    report.figure(scenario, NAME, "log of Postgres, records", sum(|statement| statement.wal_records), "records/job");
    report.figure(
        scenario,
        NAME,
        "log of Postgres, whole pages",
        sum(|statement| statement.wal_full_pages),
        "pages/job",
    );
    report_statements(report, &format!("{scenario}, statements"), profile);
}

/// A line per statement, a column per quantity.
fn report_statements(report: &mut Report, scenario: &str, profile: &Profile) {
    let jobs = profile.jobs.max(1.0);
    let all_ms: f64 = profile.statements.iter().map(|statement| statement.total_ms).sum();
    for (statement, place) in profile.statements.iter().zip(1..) {
        let Statement { text, calls, rows, total_ms, wal_bytes, blocks_read, .. } = statement;
        let label: String = text.chars().take(MAX_LABEL_CHARS).collect();
        // The first characters may be those of another one, too.
        let metric = format!("{place:>2} {label}");
        let quantities = [
            ("µs/job", 1e3 * total_ms / jobs),
            ("% of all", 100.0 * total_ms / all_ms.max(f64::MIN_POSITIVE)),
            ("calls", *calls),
            ("jobs/call", jobs / calls.max(1.0)),
            ("ms/call", total_ms / calls.max(1.0)),
            ("rows/call", rows / calls.max(1.0)),
            ("log B/job", wal_bytes / jobs),
            ("pages read", *blocks_read),
        ];
        for (quantity, value) in quantities {
            report.figure(scenario, quantity, &metric, value, "");
        }
    }
}
