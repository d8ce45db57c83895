//! What Postgres did, by its own record: the extension `pg_stat_statements` (Postgres manual, appendix F).

use anyhow::{Context, Result};

use super::sql::Psql;

/// The setting that Postgres needs at its start.
pub(crate) const SETTINGS: [(&str, &str); 2] =
    [("shared_preload_libraries", "pg_stat_statements"), ("pg_stat_statements.max", "1000")];

/// Most statements that are told.
const MAX_STATEMENTS: usize = 20;

/// A statement, all its runs together.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// Its text, blanks run together.
    pub(crate) text: String,
    /// How often it ran.
    pub(crate) calls: f64,
    /// Rows that it returned or changed.
    pub(crate) rows: f64,
    /// How long it ran, in milliseconds.
    pub(crate) total_ms: f64,
    /// What it wrote to the write-ahead log, in bytes, without what its commit did.
    pub(crate) wal_bytes: f64,
    /// How many records these are.
    pub(crate) wal_records: f64,
    /// Whole pages among them: each page's first change after a checkpoint.
    pub(crate) wal_full_pages: f64,
    /// Pages that it had to get from outside of Postgres's cache.
    pub(crate) blocks_read: f64,
}

/// Has statements recorded from now on.
pub(crate) fn reset(owner: &Psql) -> Result<()> {
    owner.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements; SELECT pg_stat_statements_reset()").map(drop)
}

/// Those that ran since [`reset`] and took longest in all; not the bench's own.
pub(crate) fn longest(owner: &Psql) -> Result<Vec<Statement>> {
    let rows = owner.rows(&format!(
        "SELECT regexp_replace(query, '\\s+', ' ', 'g'), sum(calls), sum(rows), sum(total_exec_time), sum(wal_bytes),
                sum(wal_records), sum(wal_fpi), sum(shared_blks_read)
         FROM pg_stat_statements
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
         GROUP BY query
         ORDER BY sum(total_exec_time) DESC
         LIMIT {MAX_STATEMENTS}"
    ))?;
    rows.iter()
        .map(|row| statement(row).with_context(|| format!("an odd row of pg_stat_statements: {row:?}")))
        .collect()
}

fn statement(row: &[String]) -> Option<Statement> {
    let number = |place: usize| row.get(place)?.parse().ok();
    Some(Statement {
        text: row.first()?.trim().to_owned(),
        calls: number(1)?,
        rows: number(2)?,
        total_ms: number(3)?,
        wal_bytes: number(4)?,
        wal_records: number(5)?,
        wal_full_pages: number(6)?,
        blocks_read: number(7)?,
    })
}

/// How far the write-ahead log has come, in bytes. (`pg_stat_wal` would tell more, but a second or more later.)
pub(crate) fn wal_bytes(owner: &Psql) -> Result<f64> {
    owner.number("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
}
