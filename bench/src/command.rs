//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::bench::Bench;
use crate::marks;
use crate::report::Report;
use crate::scenario::{
    all, drain, functions, growth, handover, history, journal, keyed, latency, profile, query, skew, sustain,
};
use crate::stand::contender::Kind;
use crate::stand::peer;
use crate::stand::programs;

/// How fast Satchel is, beside what people would use instead. Everything that is measured runs on this machine, on a
/// Postgres and a Redis of its own that write everything to disk before they answer for it.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Options {
    #[command(subcommand)]
    scenario: Scenario,
    /// Print a JSON object per figure instead of tables.
    #[arg(long, global = true)]
    json: bool,
    /// Measure Satchel alone.
    #[arg(long, global = true)]
    no_peers: bool,
    /// Measure these alone, where others than Satchel can be.
    #[arg(long, global = true, value_name = "NAME,NAME", value_delimiter = ',', conflicts_with = "no_peers")]
    only: Vec<Kind>,
    /// Where servers keep their data: the disk to measure on. By default the system's place for temporary files.
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// How fast waiting jobs are applied.
    Drain(drain::Options),
    /// How many jobs are accepted and applied under load by HTTP, as fast as answers come.
    Sustain(sustain::Options),
    /// How long it takes from a job's submission to its outcome, at fixed rates.
    Latency(latency::Options),
    /// Drain with 30 % of the jobs for one user.
    Skew(skew::Options),
    /// Sustain with accepted jobs committed to Postgres first.
    Journal(sustain::Options),
    /// Sustain with an idempotency key for each job.
    Keyed(sustain::Options),
    /// Drain, and load by HTTP, while functions are busy, beside the same without.
    Functions(functions::Options),
    /// How many inventories are read, and how fast.
    Query(query::Options),
    /// How fast pages of a long history are read.
    History(history::Options),
    /// How drain and reads fare with 50 million records, and what these take on disk: half an hour, 60 GB.
    Growth(growth::Options),
    /// Where processor time goes, and what Postgres does.
    Profile(profile::Options),
    /// What Postgres and Redis themselves can do here: pgbench and redis-benchmark.
    Marks(marks::Options),
    /// How long a shard stands still when workers come, go and die.
    Handover(handover::Options),
    /// Everything but growth, handover and keyed in at most 20 minutes, and whether the targets are met.
    All(all::Options),
}

impl Options {
    fn contenders(&self) -> Vec<Kind> {
        match self.only.as_slice() {
            [] if self.no_peers => vec![Kind::Satchel],
            [] => Kind::ALL.into_iter().filter(|kind| peer::is_possible(*kind)).collect(),
            only => only.to_vec(),
        }
    }
}

/// Runs the program. The exit code is 1 if something could not be measured, or was measured and is wrong.
pub(crate) fn run() -> ExitCode {
    let options = Options::parse();
    match measure(&options) {
        Ok(report) if report.faults().is_empty() => ExitCode::SUCCESS,
        Ok(report) => {
            eprintln!("bench: a run with faults is a failed run, however fast it was:");
            report.faults().iter().for_each(|fault| eprintln!("  {fault}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<Report> {
    programs::ensure_built()?;
    let mut bench = Bench::new(Report::new(options.json), options.contenders(), options.dir.as_deref())?;
    match &options.scenario {
        Scenario::Drain(options) => drain::run(&mut bench, options),
        Scenario::Sustain(options) => sustain::run(&mut bench, options),
        Scenario::Latency(options) => latency::run(&mut bench, options),
        Scenario::Skew(options) => skew::run(&mut bench, options),
        Scenario::Journal(options) => journal::run(&mut bench, options),
        Scenario::Keyed(options) => keyed::run(&mut bench, options),
        Scenario::Functions(options) => functions::run(&mut bench, options),
        Scenario::Handover(options) => handover::run(&mut bench, options),
        Scenario::Query(options) => query::run(&mut bench, options),
        Scenario::History(options) => history::run(&mut bench, options),
        Scenario::Growth(options) => growth::run(&mut bench, options),
        Scenario::Profile(options) => profile::run(&mut bench, options),
        Scenario::Marks(options) => marks::run(&mut bench, options),
        Scenario::All(options) => all::run(&mut bench, options),
    }?;
    Ok(bench.report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }
}
