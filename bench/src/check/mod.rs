//! Whether a run did what it should: the invariants A, B, C, E and F. A fast run that is wrong is a failed run.
//!
//! The expectation is copied into the measured database (schema `bench`) and compared there, whole tables at a time:
//! a million jobs take some seconds.

mod audit;
mod effects;
mod order;
mod sums;
#[cfg(test)]
mod tests;

use anyhow::{Context, Result, bail};

use crate::load::job::{Accepted, STOCK, USERS};
use crate::stand::contender::{Contender, Kind};
use crate::stand::schema::VERSIONS;
use crate::stand::seed::{ENTRIES_PER_USER, People};
use crate::stand::sql::Psql;

/// Most examples that are named of one kind of violation.
const MAX_EXAMPLES: usize = 3;

/// Work memory and parallel plans for large comparisons.
const LARGE: &str = "SET work_mem = '512MB'; SET jit = off;";

/// What should be in the tables.
pub(crate) struct Check<'a> {
    sql: Psql,
    kind: Kind,
    accepted: &'a [Accepted],
    stock: &'a [Accepted],
    /// How many jobs should be decided, beside those of the stock.
    jobs: usize,
    seeded: Option<&'a People>,
}

/// What came out.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// What does not hold.
    pub(crate) violations: Vec<String>,
    /// How many times a user's job was applied before an earlier one (F): Satchel and Restate promise that this does not happen: there it is a violation. `BullMQ` and graphile-worker do not.
    pub(crate) disorders: u64,
}

impl<'a> Check<'a> {
    /// Of a contender that has decided `jobs` jobs beside its stock; `accepted` are those of them whose ids are known,
    /// each user's in order: either all, or none.
    pub(crate) fn new(contender: &'a dyn Contender, accepted: &'a [Accepted], jobs: usize) -> Result<Self> {
        let sql = Psql::new(&contender.servers().superuser_url())?;
        Ok(Self { sql, kind: contender.kind(), accepted, stock: contender.stock(), jobs, seeded: None })
    }

    /// On a database that was seeded with these people before: only players' entries are looked at, and of the jobs
    /// those that came later.
    pub(crate) fn seeded(self, people: &'a People) -> Self {
        Self { seeded: Some(people), ..self }
    }

    /// Compares. Fails only if it cannot.
    pub(crate) fn run(&self) -> Result<Verdict> {
        self.stage().context("cannot prepare the check")?;
        let mut verdict = Verdict::default();
        let mut queries = [&effects::QUERIES[..], &sums::QUERIES[..]].concat();
        if !self.accepted.is_empty() {
            queries.extend(effects::QUERIES_OF_KNOWN_JOBS);
        }
        if self.kind == Kind::Satchel {
            queries.push(sums::QUERY_OF_VERSIONS);
        }
        let found = self.look(&queries)?;
        verdict.violations.extend(found.into_iter().map(|(_, violation)| violation));
        let decided: usize = self.sql.number("SELECT count(*) FROM bench.jobs")?;
        let expected = self.jobs + self.stock.len();
        if decided != expected {
            verdict.violations.push(format!("A: {decided} jobs are decided instead of {expected}"));
        }
        for (count, disorder) in self.look(&[order::QUERY])? {
            verdict.disorders = count;
            if self.kind.promises_order() {
                verdict.violations.push(disorder);
            }
        }
        if self.kind == Kind::Satchel {
            verdict.violations.extend(audit::run(&self.sql, self.seeded)?);
        }
        self.sql.run("DROP SCHEMA bench CASCADE")?;
        Ok(verdict)
    }

    /// Which queries give rows: how many, and what to say of them.
    fn look(&self, queries: &[(&str, &str)]) -> Result<Vec<(u64, String)>> {
        let counted = queries.iter().map(|(invariant, query)| {
            format!(
                "SELECT count(*), '{invariant}', (array_agg(example))[1:{MAX_EXAMPLES}]::text
                 FROM ({query}) AS violations (example)
                 HAVING count(*) > 0;"
            )
        });
        let found = self.sql.rows(&format!("{LARGE} {}", counted.collect::<String>()))?;
        let told = found.iter().map(|row| match row.as_slice() {
            [count, invariant, examples] => {
                let count: u64 = count.parse().context("a count that is no number")?;
                Ok((count, format!("{invariant}: {count} times, e.g. {examples}")))
            }
            _ => bail!("an odd row: {row:?}"),
        });
        told.collect()
    }

    /// Makes `bench.expected`, and what the contender has: `bench.jobs`, `bench.entries`, `bench.holdings`.
    fn stage(&self) -> Result<()> {
        self.sql.run(
            r#"DROP SCHEMA IF EXISTS bench CASCADE;
               CREATE SCHEMA bench;
               CREATE UNLOGGED TABLE bench.expected (
                   place bigint NOT NULL,
                   user_id text COLLATE "C" NOT NULL,
                   job_id uuid NOT NULL,
                   item_id text COLLATE "C" NOT NULL,
                   delta bigint NOT NULL
               );
               CREATE UNLOGGED TABLE bench.players (user_id text COLLATE "C" PRIMARY KEY)"#,
        )?;
        self.sql.copy_in("bench.expected", |output| {
            for (accepted, place) in self.stock.iter().chain(self.accepted).zip(0_u64..) {
                let user = accepted.job.user;
                for (item, delta) in accepted.job.deltas() {
                    writeln!(output, "{place}\tu{user}\t{}\t{item}\t{delta}", accepted.job_id)?;
                }
            }
            Ok(())
        })?;
        self.sql
            .run(&format!("INSERT INTO bench.players SELECT 'u' || n FROM generate_series(0, {USERS} - 1) AS n"))?;
        self.sql.run(&format!("{LARGE} {}", self.copies())).map(drop)
    }

    /// The statements that copy what is to be looked at.
    fn copies(&self) -> String {
        let only_players = "JOIN bench.players USING (user_id)";
        let (jobs, rows, is_new) = match (self.kind, self.seeded) {
            // Seeded jobs are days old, and seeded entries have the lower numbers.
            (Kind::Satchel, Some(_)) => {
                let later = "applied_at > now() - interval '12 hours'";
                (later, only_players, format!("n > {ENTRIES_PER_USER}"))
            }
            (Kind::Satchel, None) => ("true", "", "true".to_owned()),
            // Nobody knows the ids of the jobs that gave the stock; nothing else gives so much.
            (_, _) => {
                let others = "NOT EXISTS (SELECT FROM bench.entries
                                          WHERE entries.job_id = jobs.job_id AND NOT is_new)";
                (others, "", format!("delta <> {STOCK}"))
            }
        };
        let tables = self.kind.tables();
        let versions = if self.kind == Kind::Satchel {
            format!("CREATE VIEW bench.versions AS {VERSIONS};")
        } else {
            String::new()
        };
        format!(
            "ANALYZE bench.expected, bench.players;
               CREATE UNLOGGED TABLE bench.entries AS
                   SELECT *, {is_new} AS is_new FROM ({}) AS entries {rows};
               CREATE UNLOGGED TABLE bench.jobs AS
                   SELECT user_id, job_id, status FROM ({}) AS jobs WHERE {jobs};
               CREATE UNLOGGED TABLE bench.holdings AS SELECT * FROM ({}) AS holdings {rows};
               {versions}
               ANALYZE bench.jobs, bench.entries, bench.holdings",
            tables.entries, tables.jobs, tables.holdings
        )
    }
}
