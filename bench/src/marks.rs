//! The physical marks: what Postgres and Redis themselves can do on this machine, with the same settings, when
//! they have nothing else to do.

use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::bench::Bench;
use crate::report::Row;
use crate::stand::servers::Servers;
use crate::stand::sql::Psql;

/// pgbench's scale: a million accounts, 150 MB, which Postgres's cache holds.
const SCALE: &str = "10";
/// The clients that are tried; the best counts.
const CLIENTS: [u32; 3] = [8, 16, 32];
const PGBENCH_THREADS: &str = "2";

/// Connections of redis-benchmark, and how many entries it adds.
const REDIS_CONNECTIONS: &str = "32";
const REDIS_ENTRIES: [(u32, &str); 2] = [(1, "300000"), (16, "1000000")];
/// About what an entry of Satchel's streams has besides its names.
const ENTRY_BYTES: usize = 400;

/// How long.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// How long pgbench runs with each number of clients, in seconds.
    #[arg(long, value_name = "S", default_value_t = 3)]
    pub(crate) seconds: u64,
}

/// Measures all marks.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    {
        let servers = Servers::start(bench.dir())?;
        let owner = Psql::new(&servers.superuser_url())?;
        initialize(&owner)?;
        for (mode, what) in [("-S", "read one account by its key"), ("-N", "change one account and write history")] {
            let (best, clients) = best_rate(&owner, mode, options.seconds)?;
            let note = format!("{what}: {clients} clients, prepared statements");
            add(bench, "pgbench", &format!("pgbench {mode}"), best, "transactions/s", &note);
        }
    }
    let servers = Servers::start(bench.dir())?;
    for (pipeline, entries) in REDIS_ENTRIES {
        let rate = xadd_rate(&servers, pipeline, entries)?;
        let note = format!("one stream, entries of {ENTRY_BYTES} bytes, {REDIS_CONNECTIONS} connections, fsync always");
        add(bench, "redis", &format!("XADD -P {pipeline}"), rate, "commands/s", &note);
    }
    bench.report.print_table();
    Ok(())
}

/// The rate of `pgbench -S` on fresh servers, in transactions a second, and with how many clients.
pub(crate) fn reads(bench: &Bench, seconds: u64) -> Result<(f64, u32)> {
    let servers = Servers::start(bench.dir())?;
    let owner = Psql::new(&servers.superuser_url())?;
    initialize(&owner)?;
    best_rate(&owner, "-S", seconds)
}

fn add(bench: &mut Bench, contender: &str, metric: &str, value: f64, unit: &'static str, note: &str) {
    let (scenario, contender, metric) = ("marks".to_owned(), contender.to_owned(), metric.to_owned());
    bench.report.add(Row { scenario, contender, metric, value, unit, note: note.to_owned() });
}

fn initialize(owner: &Psql) -> Result<()> {
    let mut pgbench = owner.command("pgbench");
    printed(pgbench.args(["-q", "-i", "-s", SCALE, owner.address()]))?;
    owner.run("CHECKPOINT").map(drop)
}

/// The best of all numbers of clients.
fn best_rate(owner: &Psql, mode: &str, seconds: u64) -> Result<(f64, u32)> {
    let mut best = (0.0, 0);
    for clients in CLIENTS {
        let mut pgbench = owner.command("pgbench");
        pgbench.args(["-n", mode, "-M", "prepared", "-j", PGBENCH_THREADS]);
        pgbench.args(["-c", &clients.to_string(), "-T", &seconds.to_string(), owner.address()]);
        let text = printed(&mut pgbench)?;
        let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        let rate: f64 = rate.with_context(|| format!("pgbench told no rate: {text}"))?;
        if rate > best.0 {
            best = (rate, clients);
        }
    }
    Ok(best)
}

fn xadd_rate(servers: &Servers, pipeline: u32, entries: &str) -> Result<f64> {
    // Unlike others, redis-benchmark takes an empty user's name for one.
    let url = servers.redis_url().replace("redis://:", "redis://default:");
    let mut benchmark = Command::new("redis-benchmark");
    benchmark.args(["-u", &url, "-c", REDIS_CONNECTIONS, "-n", entries, "-P", &pipeline.to_string()]);
    benchmark.args(["--csv", "XADD", "marks", "*", "body", &"x".repeat(ENTRY_BYTES)]);
    let text = printed(&mut benchmark)?;
    // "test","rps","avg_latency_ms",…, then the values, each in quotes.
    let rate = text.lines().filter_map(|line| line.split("\",\"").nth(1)?.parse::<f64>().ok()).next_back();
    rate.with_context(|| format!("redis-benchmark told no rate: {text}"))
}

/// What a program prints; fails with what it says.
fn printed(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let run = command.stdin(Stdio::null()).output();
    let Output { status, stdout, stderr } = run.with_context(|| format!("{program} is needed and cannot be run"))?;
    if !status.success() {
        bail!("{program} failed ({status}): {}", String::from_utf8_lossy(&stderr).trim());
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}
