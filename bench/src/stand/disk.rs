//! What a database takes on disk, and what Postgres does to keep it in order, by its own statistics (Postgres manual,
//! "The Cumulative Statistics System").

use anyhow::{Context, Result};

use super::sql::Psql;

/// Smaller tables are not told.
const LEAST_BYTES: u32 = 8 << 20;

/// A table with its indexes; all partitions together.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: String,
    /// Its rows, in MiB.
    pub(crate) rows_mib: f64,
    /// Its indexes, in MiB.
    pub(crate) indexes_mib: f64,
    /// Rows that count, about.
    pub(crate) live_rows: f64,
    /// Rows that were changed or deleted and not yet vacuumed, about.
    pub(crate) dead_rows: f64,
    /// How often autovacuum has cleaned it.
    pub(crate) autovacuums: f64,
}

/// The large tables, the largest first.
pub(crate) fn tables(owner: &Psql) -> Result<Vec<Table>> {
    let rows = owner.rows(&format!(
        "SELECT coalesce(pg_partition_root(relid), relid)::regclass,
                sum(pg_table_size(relid)) / 1048576.0, sum(pg_indexes_size(relid)) / 1048576.0,
                sum(n_live_tup), sum(n_dead_tup), sum(autovacuum_count)
         FROM pg_stat_user_tables
         WHERE schemaname = 'public'
         GROUP BY 1
         HAVING sum(pg_total_relation_size(relid)) >= {LEAST_BYTES}
         ORDER BY sum(pg_total_relation_size(relid)) DESC"
    ))?;
    rows.iter().map(|row| table(row).with_context(|| format!("an odd row of pg_stat_user_tables: {row:?}"))).collect()
}

fn table(row: &[String]) -> Option<Table> {
    let number = |place: usize| row.get(place)?.parse().ok();
    Some(Table {
        name: row.first()?.clone(),
        rows_mib: number(1)?,
        indexes_mib: number(2)?,
        live_rows: number(3)?,
        dead_rows: number(4)?,
        autovacuums: number(5)?,
    })
}

/// Their indexes, the largest first: name and size in MiB.
pub(crate) fn indexes(owner: &Psql) -> Result<Vec<(String, f64)>> {
    let rows = owner.rows(&format!(
        "SELECT coalesce(pg_partition_root(indexrelid), indexrelid)::regclass,
                sum(pg_relation_size(indexrelid)) / 1048576.0
         FROM pg_stat_user_indexes
         WHERE schemaname = 'public'
         GROUP BY 1
         HAVING sum(pg_relation_size(indexrelid)) >= {LEAST_BYTES}
         ORDER BY 2 DESC"
    ))?;
    let index = |row: &Vec<String>| Some((row.first()?.clone(), row.get(1)?.parse().ok()?));
    rows.iter().map(|row| index(row).with_context(|| format!("an odd row: {row:?}"))).collect()
}

/// How many checkpoints there were since the server's start.
pub(crate) fn checkpoints(owner: &Psql) -> Result<f64> {
    const MOVED_IN: u32 = 170_000;
    let version: u32 = owner.number("SHOW server_version_num")?;
    owner.number(if version < MOVED_IN {
        "SELECT checkpoints_timed + checkpoints_req FROM pg_stat_bgwriter"
    } else {
        "SELECT num_timed + num_requested FROM pg_stat_checkpointer"
    })
}
