//! A Satchel on a database that has grown: seeded before its first start.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::statvfs::statvfs;

use crate::bench::Bench;
use crate::check::Check;
use crate::load::job::{Accepted, USERS};
use crate::report::Row;
use crate::stand::contender::{Contender, Kind};
use crate::stand::programs;
use crate::stand::schema::DECIDED;
use crate::stand::seed::{self, People};
use crate::stand::servers::Servers;
use crate::stand::sql::Psql;

/// Metrics that the targets ask for.
pub(super) const DRAIN_OF_EMPTY: &str = "drain, of that of an empty ledger";
pub(super) const P99_OF_EMPTY: &str = "inventory p99, of that of an empty ledger";

pub(super) const NAME: &str = "satchel";
/// How often Satchel's counters are looked at, and how long they may stand still.
const POLL: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_mins(2);
/// What a record takes on disk at most, with its part of indexes, holdings and users.
const BYTES_PER_RECORD: u64 = 800;
/// Logs, and what is done afterwards.
const SPARE_BYTES: u64 = 12 << 30;

/// See the module.
pub(super) struct Grown {
    /// Its API runs, every player has a stock, no worker runs.
    pub(super) satchel: Box<dyn Contender>,
    /// Its database, as the owner.
    pub(super) owner: Psql,
    /// Who was there before; nobody if it has not grown.
    pub(super) people: Option<People>,
}

impl Grown {
    /// Starts one with so many records and reports what the seeding took; `settings` are Postgres's.
    pub(super) fn start(bench: &mut Bench, scenario: &str, records: u64, settings: &[(&str, &str)]) -> Result<Self> {
        let servers = Servers::start_with(bench.dir(), settings)?;
        let owner = Psql::new(&servers.superuser_url())?;
        let people = if records > 0 { Some(seed(bench, scenario, &servers, &owner, records)?) } else { None };
        let satchel = Kind::Satchel.start(servers)?;
        let mut grown = Self { satchel, owner, people };
        // Seeded jobs may have been taken for those of the stock: then these still wait.
        grown.satchel.start_workers(1)?;
        grown.wait(0)?;
        grown.satchel.stop_workers();
        Ok(grown)
    }

    /// Waits until so many jobs are applied beside the stock and what was seeded. Counting them in a table of many
    /// millions would disturb what is measured, so Satchel's own counters are asked; the check counts later.
    pub(super) fn wait(&mut self, jobs: usize) -> Result<()> {
        let before = self.people.as_ref().map_or(0, People::jobs) + u64::from(USERS);
        let expected = before + u64::try_from(jobs)?;
        let (mut last, mut progressed) = (0, Instant::now());
        loop {
            self.satchel.check_runs()?;
            // Not by `self.owner`: on Debian the `psql` of the path is a script, whose start costs as much as many jobs.
            let decided: u64 = self.satchel.servers().postgres.psql("satchel", DECIDED)?.parse()?;
            if decided >= expected {
                return Ok(());
            }
            if decided > last {
                (last, progressed) = (decided, Instant::now());
            }
            if progressed.elapsed() > PATIENCE {
                bail!("only {decided} of {expected} jobs are applied, none for {} s", PATIENCE.as_secs());
            }
            sleep(POLL);
        }
    }

    /// Checks what was done since the start and reports what is wrong.
    pub(super) fn check(&self, bench: &mut Bench, scenario: &str, accepted: &[Accepted]) -> Result<()> {
        eprintln!("bench: {scenario}: checking {} jobs", accepted.len());
        let check = Check::new(&*self.satchel, accepted, accepted.len())?;
        let check = if let Some(people) = &self.people { check.seeded(people) } else { check };
        let violations = check.run()?.violations;
        for violation in &violations {
            bench.report.fault(scenario, NAME, violation);
        }
        let count = f64::from(u32::try_from(violations.len())?);
        bench.report.figure(scenario, NAME, "invariants violated", count, "");
        Ok(())
    }
}

/// Refuses what the disk cannot hold, before half an hour is spent on it.
fn ensure_room(dir: &Path, records: u64) -> Result<()> {
    let disk = statvfs(dir)?;
    let (free, needed) = (disk.blocks_available() * disk.fragment_size(), records * BYTES_PER_RECORD + SPARE_BYTES);
    let gibibytes = |bytes: u64| bytes >> 30;
    ensure!(
        free > needed,
        "{} GiB are free in {}, {records} records need {}",
        gibibytes(free),
        dir.display(),
        gibibytes(needed)
    );
    Ok(())
}

/// Migrates and fills a database, and reports what that took.
fn seed(bench: &mut Bench, scenario: &str, servers: &Servers, owner: &Psql, records: u64) -> Result<People> {
    ensure_room(servers.dir(), records)?;
    let mut migrate = Command::new(programs::path("satchel")?);
    migrate.arg("migrate").env_clear().env("SATCHEL_OWNER_DATABASE_URL", servers.owner_url()).stdin(Stdio::null());
    let output = migrate.output().context("cannot run satchel migrate")?;
    ensure!(output.status.success(), "satchel migrate: {}", String::from_utf8_lossy(&output.stderr).trim());

    let now_micros = owner.number("SELECT (extract(epoch FROM now()) * 1000000)::bigint")?;
    let people = People::new(records, USERS.into(), now_micros)?;
    let seeded = seed::fill(owner, &people)?;
    let mut note = format!("{} records of {} users: ", people.jobs(), people.ids().len());
    let (copy, index, settle) = (seeded.copy_seconds, seeded.index_seconds, seeded.settle_seconds);
    write!(note, "rows {copy:.0} s, indexes {index:.0} s, vacuum and checkpoint {settle:.0} s")?;
    bench.report.add(Row {
        scenario: scenario.to_owned(),
        contender: NAME.to_owned(),
        metric: "seeding".to_owned(),
        value: copy + index + settle,
        unit: "s",
        note,
    });
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 MiB")]
    let mebibytes = (seeded.database_bytes >> 20) as f64;
    bench.report.figure(scenario, NAME, "database", mebibytes / 1024.0, "GiB");
    Ok(people)
}
