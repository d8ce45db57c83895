//! `latency`: how long it takes from a job's submission to its outcome (`Prefer: wait`), at fixed rates: an open loop,
//! counted from when a request was due.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::{costs, verdict};
use crate::bench::Bench;
use crate::load::http::Head;
use crate::load::job::{Accepted, USERS};
use crate::load::open::{self, Plan};
use crate::load::submit::SubmitMaker;
use crate::report::Row;
use crate::stand::applied;
use crate::stand::contender::Contender;
use crate::stand::servers::Servers;
use crate::stand::usage::Usage;

/// At which rates and how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Requests a second; may be repeated.
    #[arg(long = "rate", default_values_t = [200, 1_000, 5_000], value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(crate) rates: Vec<u32>,
    /// How long requests count, after two seconds of warming up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) seconds: u64,
    /// How often each rate is measured; the median counts.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) rounds: u16,
}

const WARM_UP: Duration = Duration::from_secs(2);
/// As long as any answer may take (HTTP.md allows 30 s).
const PREFER: &str = "Prefer: wait=10\r\n";
/// On one connection a request follows another after so long on average: longer than nearly all answers take.
const MEAN_GAP_MS: u32 = 50;
const MIN_CONNECTIONS: u32 = 32;
const MAX_CONNECTIONS: u32 = 512;

/// Every contender at every rate.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    for kind in bench.contenders() {
        let mut contender = kind.start(Servers::start(bench.dir())?)?;
        let workers = contender.best_workers();
        contender.start_workers(workers)?;
        let mut accepted = Vec::new();
        let rates = (0..options.rounds).flat_map(|_| &options.rates);
        for rate in rates {
            measure(bench, contender.as_mut(), *rate, options.seconds, &mut accepted)?;
        }
        contender.stop_workers();
        verdict::report(&mut bench.report, "latency", contender.as_ref(), &accepted, accepted.len())?;
    }
    bench.report.print_table();
    Ok(())
}

/// The name of the scenario in rows.
pub(crate) fn scenario(rate: u32) -> String {
    format!("latency at {rate}/s")
}

fn measure(
    bench: &mut Bench,
    contender: &mut dyn Contender,
    rate: u32,
    seconds: u64,
    accepted: &mut Vec<Accepted>,
) -> Result<()> {
    let (scenario, name) = (scenario(rate), contender.kind().name());
    let head = Head::new("POST", contender.address(), "/api/v1/jobs", &contender.token("service", "bench")?, PREFER);
    let connections = (rate * MEAN_GAP_MS / 1_000).clamp(MIN_CONNECTIONS, MAX_CONNECTIONS);
    let makers = (0..connections).map(|connection| SubmitMaker::new(head.clone(), connection, connections)).collect();
    let plan = Plan { per_second: rate, warm_up: WARM_UP, window: Duration::from_secs(seconds) };

    eprintln!("bench: {scenario}, {name}: {connections} connections for {seconds} s");
    let before = Usage::of(&contender.processes())?;
    let outcome = open::run(contender.address(), makers, plan)?;
    let used = Usage::of(&contender.processes())?.since(&before);
    let submitted = accepted.len();
    accepted.extend(outcome.makers.into_iter().flat_map(SubmitMaker::into_accepted));
    applied::wait(contender, usize::try_from(USERS)? + accepted.len())?;

    let mut note = match outcome.unsent {
        0 => String::new(),
        unsent => format!("it did not keep up: {unsent} requests were more than 10 s late and not sent"),
    };
    let tally = &outcome.tally;
    let figures = [
        ("p50", tally.percentile_ms(50.0), "ms"),
        ("p95", tally.percentile_ms(95.0), "ms"),
        ("p99", tally.percentile_ms(99.0), "ms"),
        ("max", tally.max_ms(), "ms"),
    ];
    for (metric, value, unit) in figures {
        let (scenario, contender, metric) = (scenario.clone(), name.to_owned(), metric.to_owned());
        bench.report.add(Row { scenario, contender, metric, value, unit, note: std::mem::take(&mut note) });
    }
    let jobs = f64::from(u32::try_from(accepted.len() - submitted)?);
    costs::report(&mut bench.report, &scenario, name, &used, jobs);
    if let Some(trouble) = tally.trouble() {
        bench.report.fault(&scenario, name, &trouble);
    }
    Ok(())
}
