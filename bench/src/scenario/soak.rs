//! A steady load for a long while: what autovacuum, checkpoints and bloat come to is seen afterwards.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::grown::{Grown, NAME};
use super::size;
use crate::bench::Bench;
use crate::load::http::Head;
use crate::load::job::Accepted;
use crate::load::open::{self, Plan};
use crate::load::submit::{MAX_ACCEPTED_JOBS, SubmitMaker};
use crate::stand::disk;

const CONNECTIONS: u32 = 64;

/// How hard and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Jobs a second, at times that do not depend on the answers.
    pub(super) per_second: u32,
    /// How long.
    pub(super) length: Duration,
}

/// Submits and applies, and reports how that went and what Postgres did meanwhile.
pub(super) fn run(
    bench: &mut Bench,
    scenario: &str,
    grown: &mut Grown,
    load: Load,
    accepted: &mut Vec<Accepted>,
) -> Result<()> {
    let jobs = u64::from(load.per_second) * load.length.as_secs();
    ensure!(
        accepted.len() + usize::try_from(jobs)? <= MAX_ACCEPTED_JOBS,
        "at most {MAX_ACCEPTED_JOBS} jobs can be kept track of: fewer minutes, or less load"
    );
    eprintln!("bench: {scenario}: {} jobs a second", load.per_second);
    let workers = grown.satchel.best_workers();
    grown.satchel.start_workers(workers)?;
    let (wal_bytes, checkpoints) = (size::wal_bytes(&grown.owner)?, disk::checkpoints(&grown.owner)?);
    let token = grown.satchel.token("service", "bench")?;
    let head = Head::new("POST", grown.satchel.address(), "/api/v1/jobs", &token, "");
    let makers = (0..CONNECTIONS).map(|connection| SubmitMaker::new(head.clone(), connection, CONNECTIONS)).collect();
    let plan = Plan { per_second: load.per_second, warm_up: Duration::ZERO, window: load.length };
    let outcome = open::run(grown.satchel.address(), makers, plan)?;
    accepted.extend(outcome.makers.into_iter().flat_map(SubmitMaker::into_accepted));
    grown.wait(accepted.len())?;
    let wal_bytes = size::wal_bytes(&grown.owner)? - wal_bytes;
    let checkpoints = disk::checkpoints(&grown.owner)? - checkpoints;
    grown.satchel.stop_workers();

    if let Some(trouble) = outcome.tally.trouble() {
        bench.report.fault(scenario, NAME, &trouble);
    }
    let answers = f64::from(u32::try_from(outcome.tally.answers())?);
    let figures = [
        ("load, accepted", answers / load.length.as_secs_f64(), "jobs/s"),
        ("load, answered p99", outcome.tally.percentile_ms(99.0), "ms"),
        ("load, log of Postgres", wal_bytes / answers.max(1.0), "B/job"),
        ("load, checkpoints", checkpoints, ""),
    ];
    for (metric, value, unit) in figures {
        bench.report.figure(scenario, NAME, metric, value, unit);
    }
    Ok(())
}
