//! `sustain`: how many jobs are accepted and applied under load by HTTP, as fast as answers come.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use clap::Args;

use super::{costs, verdict};
use crate::bench::Bench;
use crate::load::closed::{self, Plan};
use crate::load::job::{Accepted, USERS};
use crate::load::submit::SubmitMaker;
use crate::report::Row;
use crate::stand::applied;
use crate::stand::contender::{Contender, Kind};
use crate::stand::servers::Servers;
use crate::stand::sql::Psql;
use crate::stand::usage::Usage;

/// How long and how hard.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// How long answers count, after two seconds of warming up.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) seconds: u64,
    /// How many connections, each with one request at a time.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub(crate) connections: u32,
    /// How often everybody's turn comes; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) rounds: u16,
    /// Whether each job has an idempotency key, which is for Satchel alone: see [`super::keyed`].
    #[arg(skip)]
    pub(crate) is_keyed: bool,
}

/// A backlog of less than so many seconds' worth of what was accepted is what is on its way, not one that grows.
const BACKLOG_ON_ITS_WAY_S: f64 = 1.0;

/// Loads every contender.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    (0..options.rounds).try_for_each(|number| round(bench, options, number))?;
    bench.report.print_table();
    Ok(())
}

/// Loads every contender once.
pub(super) fn round(bench: &mut Bench, options: &Options, number: u16) -> Result<()> {
    for kind in bench.turns(number) {
        let mut contender = kind.start(Servers::start(bench.dir())?)?;
        measure(bench, "sustain", contender.as_mut(), options)?;
    }
    Ok(())
}

/// Loads one contender, reports and checks. No worker may run before.
pub(crate) fn measure(
    bench: &mut Bench,
    scenario: &str,
    contender: &mut dyn Contender,
    options: &Options,
) -> Result<()> {
    let name = contender.kind().name();
    let sql = Psql::new(&contender.servers().superuser_url())?;
    let workers = contender.best_workers();
    contender.start_workers(workers)?;
    let token = contender.token("service", "bench")?;
    let mut makers = SubmitMaker::for_connections(contender.address(), &token, options.connections);
    if options.is_keyed {
        makers = makers.into_iter().map(SubmitMaker::keyed).collect();
    }

    eprintln!("bench: {scenario}, {name}: {} connections for {} s", options.connections, options.seconds);
    let running = closed::start(contender.address(), makers, Plan::seconds(options.seconds));
    let opened = running.wait_open();
    let before = Usage::of(&contender.processes())?;
    let closed = running.wait_closed();
    let used = Usage::of(&contender.processes())?.since(&before);
    let outcome = running.finish()?;
    let accepted: Vec<Accepted> = outcome.makers.into_iter().flat_map(SubmitMaker::into_accepted).collect();
    applied::wait(contender, usize::try_from(USERS)? + accepted.len())?;
    contender.stop_workers();

    let window = Window { opened, closed };
    let figures = window.figures(&sql, contender.kind(), outcome.tally.answers())?;
    let note = format!("{} connections, {workers} worker processes", options.connections);
    let mut figure = |metric: &str, value, unit, note: &str| {
        let (scenario, contender) = (scenario.to_owned(), name.to_owned());
        bench.report.add(Row { scenario, contender, metric: metric.to_owned(), value, unit, note: note.to_owned() });
    };
    figure("accepted", figures.accepted_per_s, "jobs/s", &note);
    figure("applied meanwhile", figures.applied_per_s, "jobs/s", "");
    figure("backlog at the end", figures.backlog, "jobs", &figures.backlog_note());
    figure("until it was empty", figures.emptied_s, "s", "");
    for (metric, percent) in [("answered, p50", 50.0), ("answered, p95", 95.0), ("answered, p99", 99.0)] {
        figure(metric, outcome.tally.percentile_ms(percent), "ms", "");
    }
    figure("answered, max", outcome.tally.max_ms(), "ms", "");
    let applied = figures.applied_per_s * window.seconds();
    costs::report(&mut bench.report, scenario, name, &used, applied);
    if let Some(trouble) = outcome.tally.trouble() {
        bench.report.fault(scenario, name, &trouble);
    }
    verdict::report(&mut bench.report, scenario, contender, &accepted, accepted.len())
}

/// Between two times. The database is on this machine and has the same clock.
struct Window {
    opened: SystemTime,
    closed: SystemTime,
}

struct Figures {
    accepted_per_s: f64,
    applied_per_s: f64,
    /// Accepted and not applied at the window's end, those of the warm-up included.
    backlog: f64,
    /// From the window's end until the last of them was applied, in seconds.
    emptied_s: f64,
}

impl Window {
    fn seconds(&self) -> f64 {
        self.closed.duration_since(self.opened).unwrap_or_default().as_secs_f64()
    }

    fn figures(&self, sql: &Psql, kind: Kind, answers: u64) -> Result<Figures> {
        let (opened, closed) = (epoch_s(self.opened)?, epoch_s(self.closed)?);
        let rows = sql.rows(&format!(
            "SELECT count(*) FILTER (WHERE applied_at >= to_timestamp({opened}) AND applied_at < to_timestamp({closed})),
                    count(*) FILTER (WHERE applied_at >= to_timestamp({closed})),
                    greatest(extract(epoch FROM max(applied_at)) - {closed}, 0)
             FROM ({}) AS jobs",
            kind.tables().jobs
        ))?;
        let number = |column: usize| -> Option<f64> { rows.first()?.get(column)?.parse().ok() };
        let (Some(applied), Some(backlog), Some(emptied_s)) = (number(0), number(1), number(2)) else {
            bail!("what was applied in the window cannot be read");
        };
        let (accepted_per_s, applied_per_s) =
            (f64::from(u32::try_from(answers)?) / self.seconds(), applied / self.seconds());
        Ok(Figures { accepted_per_s, applied_per_s, backlog, emptied_s })
    }
}

impl Figures {
    /// What a backlog means: where it grows, only what is applied is sustained.
    fn backlog_note(&self) -> String {
        let seconds = self.backlog / self.accepted_per_s.max(1.0);
        if seconds <= BACKLOG_ON_ITS_WAY_S {
            return String::new();
        }
        format!("it grew, {seconds:.1} s worth of what was accepted: sustained is what was applied")
    }
}

fn epoch_s(time: SystemTime) -> Result<f64> {
    Ok(time.duration_since(UNIX_EPOCH)?.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_of_more_than_a_second_is_said_to_grow() {
        let figures = |backlog| Figures { accepted_per_s: 1_000.0, applied_per_s: 900.0, backlog, emptied_s: 1.0 };
        assert_eq!(figures(900.0).backlog_note(), "");
        assert!(figures(2_000.0).backlog_note().contains("2.0 s"));
    }
}
