//! `skew`: a drain with many of the jobs for one user, beside one with the jobs spread evenly.

use anyhow::Result;
use clap::Args;

use super::drain::{self, Plan, parse_jobs};
use crate::bench::Bench;
use crate::stand::contender::Kind;
use crate::stand::servers::Servers;

/// How many of a hundred jobs are for one user.
const HOT_PERCENT: u8 = 30;

/// How many jobs.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many jobs wait, each time.
    #[arg(long, default_value_t = 150_000, value_parser = parse_jobs)]
    pub(crate) jobs: usize,
}

/// Both drains of Satchel, one after the other in the same conditions.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    for (scenario, hot_percent) in [("skew, uniform", 0), ("skew", HOT_PERCENT)] {
        let mut contender = Kind::Satchel.start(Servers::start(bench.dir())?)?;
        let plan = Plan { jobs: options.jobs, workers: contender.best_workers(), hot_percent };
        drain::measure(bench, scenario, contender.as_mut(), plan)?;
    }
    bench.report.print_table();
    Ok(())
}
