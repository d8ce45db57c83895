//! What the database takes, as rows of the report.

use anyhow::Result;

use super::grown::NAME;
use crate::bench::Bench;
use crate::stand::disk;
use crate::stand::sql::Psql;
pub(super) use crate::stand::statements::wal_bytes;

/// A line per table and index, a column per quantity.
pub(super) fn report(bench: &mut Bench, scenario: &str, owner: &Psql) -> Result<()> {
    for table in disk::tables(owner)? {
        let quantities = [
            ("rows, MiB", table.rows_mib),
            ("indexes, MiB", table.indexes_mib),
            ("live rows", table.live_rows),
            ("dead rows", table.dead_rows),
            ("autovacuums", table.autovacuums),
        ];
        for (quantity, value) in quantities {
            bench.report.figure(scenario, quantity, &table.name, value, "");
        }
    }
    for (index, mib) in disk::indexes(owner)? {
        bench.report.figure(scenario, "indexes, MiB", &format!("  {index}"), mib, "");
    }
    bench.report.figure(&format!("{scenario}, all"), NAME, "checkpoints", disk::checkpoints(owner)?, "");
    let mib: f64 = owner.number("SELECT pg_database_size(current_database()) / 1048576.0")?;
    bench.report.figure(&format!("{scenario}, all"), NAME, "database", mib / 1024.0, "GiB");
    Ok(())
}
