//! `all`: every scenario in one run, and whether the targets are met.

use anyhow::Result;
use clap::{Args, Command};

use super::{drain, functions, growth, history, journal, latency, profile, query, skew, sustain, targets};
use crate::bench::Bench;
use crate::marks;

/// How thoroughly.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A little of everything, in a few minutes: shows that it works, its figures mean little.
    #[arg(long)]
    pub(crate) quick: bool,
}

/// Everything, with the defaults of each scenario. Half an hour and 30 GB of disk, unless it is to be quick.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    let quick = options.quick;
    marks::run(bench, &parsed(quick, &["--seconds", "1"])?)?;
    drain::run(bench, &parsed(quick, &["--jobs", "20000", "--peer-jobs", "5000"])?)?;
    sustain::run(bench, &parsed(quick, &["--seconds", "3"])?)?;
    latency::run(bench, &parsed(quick, &["--seconds", "3"])?)?;
    query::run(bench, &parsed(quick, &["--seconds", "2"])?)?;
    history::run(bench, &parsed(quick, &["--seconds", "2", "--entries", "5000"])?)?;
    skew::run(bench, &parsed(quick, &["--jobs", "20000"])?)?;
    journal::run(bench, &parsed(quick, &["--seconds", "3"])?)?;
    functions::run(bench, &parsed(quick, &["--jobs", "20000", "--seconds", "3"])?)?;
    profile::run(bench, &parsed(quick, &["--jobs", "20000", "--seconds", "2"])?)?;
    growth::run(bench, &parsed(quick, &["--rows", "600000", "--jobs", "20000", "--seconds", "2"])?)?;
    targets::report(&mut bench.report);
    Ok(())
}

/// A scenario's options: these if it is to be quick, else the defaults.
fn parsed<Options: Args>(is_quick: bool, quick: &[&str]) -> Result<Options> {
    let words = ["bench"].into_iter().chain(quick.iter().copied().filter(|_| is_quick));
    let matches = Options::augment_args(Command::new("bench")).try_get_matches_from(words)?;
    Ok(Options::from_arg_matches(&matches)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_options_are_taken_only_when_it_is_to_be_quick() {
        let jobs = |is_quick| parsed::<skew::Options>(is_quick, &["--jobs", "20000"]).unwrap().jobs;
        assert_eq!(jobs(true), 20_000);
        assert!(jobs(false) > 20_000);
    }
}
