//! What Postgres wrote to its log, statement by statement: the extension `pg_stat_statements` (Postgres manual,
//! appendix F), which a test has with [`crate::Setup::with_statements`].

use crate::{Psql, wire};

/// What a server needs for it, and what makes what it counts the same each time: no page is written whole because of a
/// checkpoint, and nobody tidies up in between.
pub(crate) const SETTINGS: [(&str, &str); 4] = [
    ("shared_preload_libraries", "pg_stat_statements"),
    ("full_page_writes", "off"),
    ("checkpoint_timeout", "1d"),
    ("autovacuum", "off"),
];

/// A statement of Satchel's, all its runs together.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Its text, blanks run together, `$1` for each constant.
    pub text: String,
    /// How often it ran.
    pub calls: i64,
    /// Rows that it returned or changed.
    pub rows: i64,
    /// Records that it wrote to the write-ahead log, without its commit's.
    pub wal_records: i64,
    /// Their size, in bytes.
    pub wal_bytes: i64,
}

/// Has statements counted from now on.
pub fn reset(owner: &Psql) {
    owner.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements; SELECT pg_stat_statements_reset()");
}

/// Those that workers ran since [`reset`].
pub fn counted(owner: &Psql) -> Vec<Statement> {
    let rows = owner.rows(
        "SELECT query, calls, rows, wal_records, wal_bytes
         FROM pg_stat_statements
         WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND userid = 'satchel_worker'::regrole",
    );
    let statement = |row: &serde_json::Value| Statement {
        text: wire::one_line(row["query"].as_str().expect("text")),
        calls: row["calls"].as_i64().expect("a number"),
        rows: row["rows"].as_i64().expect("a number"),
        wal_records: row["wal_records"].as_i64().expect("a number"),
        wal_bytes: row["wal_bytes"].as_i64().expect("a number"),
    };
    rows.iter().map(statement).collect()
}
