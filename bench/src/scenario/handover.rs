//! `handover`: how long a shard stands still when workers come, go and die, under a steady load. All times are the
//! database's.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use nix::sys::signal::Signal;

use super::verdict;
use crate::bench::Bench;
use crate::load::closed::{self, Plan};
use crate::load::job::{Accepted, USERS};
use crate::load::submit::SubmitMaker;
use crate::stand::applied;
use crate::stand::contender::Contender;
use crate::stand::satchel::{Satchel, Settings};
use crate::stand::schema::{APPLIED, SHARDS};
use crate::stand::servers::Servers;
use crate::stand::sql::Psql;

const SCENARIO: &str = "handover";
/// Until the first step: warm-up, and two workers that share the shards.
const SETTLE: Duration = Duration::from_secs(5);
/// Between the look at the clock and what happens then, so that what was before is not counted.
const PAUSE: Duration = Duration::from_secs(1);
/// How long to look for shards that stand still after a step.
const SOON: Duration = Duration::from_secs(4);
/// After a worker was killed: longer than the lease, which is 15 s unless told otherwise.
const AFTER_KILL: Duration = Duration::from_secs(20);

/// How hard.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many connections, each with one request at a time: enough that every shard always has work.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub(crate) connections: u32,
}

/// What happens to the workers, two at first.
type Happening = fn(&mut Satchel) -> Result<()>;

/// Measures Satchel.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    let steps: [(&str, Happening, Duration); 4] = [
        ("nothing happens", |_| Ok(()), SOON),
        ("a third worker joins", |satchel| satchel.start_workers(1), SOON),
        ("a worker is stopped", |satchel| satchel.end_oldest_worker(Signal::SIGTERM), SOON),
        ("a worker is killed", |satchel| satchel.end_oldest_worker(Signal::SIGKILL), AFTER_KILL),
    ];
    let mut satchel = Satchel::start(Servers::start(bench.dir())?, &Settings::default())?;
    let sql = Psql::new(&satchel.servers().superuser_url())?;
    satchel.start_workers(2)?;
    let token = satchel.token("service", "bench")?;
    let makers = SubmitMaker::for_connections(satchel.address(), &token, options.connections);
    let all: Duration = steps.iter().map(|(_, _, length)| PAUSE + *length).sum();
    let running = closed::start(satchel.address(), makers, Plan { warm_up: SETTLE, window: all });
    running.wait_open();
    for (what, happen, length) in steps {
        eprintln!("bench: {SCENARIO}: {what}");
        let from = sql.run("SELECT clock_timestamp()")?;
        sleep(PAUSE);
        happen(&mut satchel)?;
        sleep(length);
        bench.report.figure(SCENARIO, "satchel", what, longest_still_ms(&sql, &from)?, "ms");
    }
    let outcome = running.finish()?;
    if let Some(trouble) = outcome.tally.trouble() {
        bench.report.fault(SCENARIO, "satchel", &trouble);
    }
    let accepted: Vec<Accepted> = outcome.makers.into_iter().flat_map(SubmitMaker::into_accepted).collect();
    applied::wait(&satchel, usize::try_from(USERS)? + accepted.len())?;
    satchel.stop_workers();
    verdict::report(&mut bench.report, SCENARIO, &satchel, &accepted, accepted.len())?;
    bench.report.print_table();
    Ok(())
}

/// The longest time since then in which no job of some shard was applied, the time until now included.
fn longest_still_ms(sql: &Psql, from: &str) -> Result<f64> {
    sql.number(&format!(
        "WITH applied AS (
             SELECT shard, applied_at FROM ({APPLIED}) AS records WHERE applied_at > '{from}'
         ), ends AS (
             SELECT shard, applied_at FROM applied
             UNION ALL SELECT generate_series(0, ({SHARDS}) - 1), clock_timestamp()
         )
         SELECT extract(epoch FROM max(gap)) * 1000
         FROM (SELECT applied_at - lag(applied_at) OVER (PARTITION BY shard ORDER BY applied_at) AS gap FROM ends) AS gaps"
    ))
    .context("the time that shards stood still")
}
