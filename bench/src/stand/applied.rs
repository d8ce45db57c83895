//! Waiting for jobs to be applied, at little cost to those who apply them.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::contender::Contender;

/// How often the size of the table is looked at: each look starts a `psql`, which takes 10 ms of a core.
const POLL: Duration = Duration::from_secs(1);
/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until so many jobs are decided, and fails if it stops growing before. Counting a large table costs
/// what is being measured, so it is done only when the table has not grown since the last look.
pub(crate) fn wait(contender: &dyn Contender, jobs: usize) -> Result<()> {
    let tables = contender.kind().tables();
    let (mut last_bytes, mut last_count) = (None, 0);
    let mut progressed = Instant::now();
    loop {
        contender.check_runs()?;
        let bytes = ask(contender, &format!("SELECT pg_relation_size('{}')", tables.growing))?;
        if last_bytes.replace(bytes) == Some(bytes) {
            let count = ask(contender, &format!("SELECT count(*) FROM ({}) AS jobs", tables.jobs))?;
            if count >= jobs {
                return Ok(());
            }
            if count > last_count {
                progressed = Instant::now();
            }
            last_count = count;
        } else {
            progressed = Instant::now();
        }
        if progressed.elapsed() > PATIENCE {
            bail!("only {last_count} of {jobs} jobs are applied, none for {} s", PATIENCE.as_secs());
        }
        sleep(POLL);
    }
}

fn ask(contender: &dyn Contender, sql: &str) -> Result<usize> {
    Ok(contender.servers().postgres.psql("satchel", sql)?.parse()?)
}
