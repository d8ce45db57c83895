//! `all`: every scenario but `growth` in one run of bounded length, and whether the targets are met.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, Command};

use super::{drain, functions, history, journal, latency, profile, query, skew, sustain, targets};
use crate::bench::Bench;
use crate::marks;

/// More rounds tell nothing new.
const MAX_ROUNDS: u16 = 5;

/// How thoroughly.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A little of everything, in a few minutes: shows that it works, its figures mean little.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Drain and sustain have as many rounds, five at most, as come to an end within so many minutes; one in any case.
    #[arg(long, value_name = "M", default_value_t = 18)]
    pub(crate) minutes: u64,
}

/// Everything, with the defaults of each scenario.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    let (start, quick) = (Instant::now(), options.quick);
    marks::run(bench, &parsed(quick, &["--seconds", "1"])?)?;
    query::run(bench, &parsed(quick, &["--seconds", "2"])?)?;
    history::run(bench, &parsed(quick, &["--seconds", "2", "--entries", "5000"])?)?;
    skew::run(bench, &parsed(quick, &["--jobs", "20000"])?)?;
    journal::run(bench, &sustain::Options { rounds: 1, ..parsed(quick, &["--seconds", "3"])? })?;
    let mut busy: functions::Options = parsed(quick, &["--jobs", "20000", "--seconds", "3"])?;
    busy.load.rounds = 1;
    functions::run(bench, &busy)?;
    profile::run(bench, &parsed(quick, &["--jobs", "20000", "--seconds", "2"])?)?;
    // Once: what time is left is for the rounds, whose ratios are the point.
    latency::run(bench, &latency::Options { rounds: 1, ..parsed(quick, &["--seconds", "3"])? })?;
    rounds(bench, quick, start + Duration::from_mins(options.minutes))?;
    targets::report(&mut bench.report);
    eprintln!("bench: all of it took {:.1} minutes", start.elapsed().as_secs_f64() / 60.0);
    Ok(())
}

/// Drains and loads everybody, again as long as another round would end in time.
fn rounds(bench: &mut Bench, quick: bool, end: Instant) -> Result<()> {
    let drains = parsed(quick, &["--jobs", "20000", "--peer-jobs", "5000"])?;
    let loads = parsed(quick, &["--seconds", "3"])?;
    let mut number = 0;
    loop {
        let began = Instant::now();
        drain::round(bench, &drains, number)?;
        sustain::round(bench, &loads, number)?;
        number += 1;
        if quick || number == MAX_ROUNDS || Instant::now() + began.elapsed() > end {
            break;
        }
    }
    eprintln!("bench: {number} rounds of drain and sustain");
    bench.report.print_table();
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
