//! `query`: reads of whole inventories, each of 4 items, of 10,000 users in turn; closed loop.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use crate::bench::Bench;
use crate::load::closed::{self, Plan};
use crate::load::get::GetMaker;
use crate::load::http;
use crate::load::job::USERS;
use crate::load::tally::Tally;
use crate::marks;
use crate::report::Row;
use crate::stand::contender::Contender;
use crate::stand::servers::Servers;

const SCENARIO: &str = "query";
/// Who does what the others are compared with.
const MARK: &str = "pgbench -S";

/// How long, and by how many.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// For how long reads count, in seconds.
    #[arg(long, value_name = "S", default_value_t = 5)]
    pub(crate) seconds: u64,
    /// Connections that read at once.
    #[arg(long, value_name = "C", default_value_t = 32)]
    pub(crate) connections: usize,
}

/// Measures everybody, and pgbench -S beside them.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    let (mark, clients) = marks::reads(bench, options.seconds)?;
    let row = Row {
        scenario: SCENARIO.to_owned(),
        contender: MARK.to_owned(),
        metric: "reads".to_owned(),
        value: mark,
        unit: "reads/s",
        note: format!("{clients} clients, prepared statements"),
    };
    bench.report.add(row);
    for kind in bench.contenders().into_iter().filter(|kind| kind.has_reads_of_its_own()) {
        let contender = kind.start(Servers::start(bench.dir())?)?;
        let users: Vec<String> = (0..USERS).map(|user| format!("u{user}")).collect();
        let tally = read(&*contender, &users, options)?;
        contender.check_runs()?;
        if let Some(trouble) = tally.trouble() {
            bench.report.fault(SCENARIO, kind.name(), &trouble);
        }
        let rate = per_second(&tally, options.seconds);
        bench.report.figure(SCENARIO, kind.name(), "reads", rate, "reads/s");
        bench.report.figure(SCENARIO, kind.name(), "of pgbench -S", 100.0 * rate / mark.max(1.0), "%");
        for (metric, percent) in [("p50", 50.0), ("p95", 95.0), ("p99", 99.0)] {
            bench.report.figure(SCENARIO, kind.name(), metric, tally.percentile_ms(percent), "ms");
        }
        bench.report.figure(SCENARIO, kind.name(), "max", tally.max_ms(), "ms");
    }
    bench.report.print_table();
    Ok(())
}

/// Reads these users' inventories in turn, in a closed loop.
pub(crate) fn read(contender: &dyn Contender, users: &[String], options: &Options) -> Result<Tally> {
    let requests = Arc::new(requests(contender, users)?);
    let step = users.len() / options.connections.max(1);
    let makers = (0..options.connections).map(|place| GetMaker::new(Arc::clone(&requests), place * step)).collect();
    let running = closed::start(contender.address(), makers, Plan::seconds(options.seconds));
    Ok(running.finish()?.tally)
}

/// The requests that read these users' inventories.
pub(crate) fn requests(contender: &dyn Contender, users: &[String]) -> Result<Vec<Vec<u8>>> {
    let token = contender.token("operator", "bench")?;
    let path = |user| format!("/api/v1/users/{user}/inventory");
    Ok(users.iter().map(|user| http::get(contender.address(), &path(user), &token)).collect())
}

/// Good answers a second.
pub(crate) fn per_second(tally: &Tally, seconds: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "numbers of answers are far below 2^52")]
    let (answers, seconds) = (tally.answers() as f64, seconds.max(1) as f64);
    answers / seconds
}
