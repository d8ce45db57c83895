//! The tables as a whole: their columns, indexes and keys, whatever the migrations have made of them.

use std::collections::BTreeSet;
use std::io::Write;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};

use crate::stand::sql::Psql;

/// For making indexes.
const INDEX_MEMORY: &str = "1GB";
/// What values of bytes have at most: hashes.
const MAX_VALUE_BYTES: usize = 32;

/// Those of the columns that a table has, in the order given.
#[derive(Debug)]
pub(super) struct Columns {
    table: &'static str,
    present: Vec<&'static str>,
}

impl Columns {
    /// Looks which of the columns `known` there are. Fails if the table asks for one that is not known.
    pub(super) fn of(owner: &Psql, table: &'static str, known: &[&'static str]) -> Result<Self> {
        let rows = owner.rows(&format!(
            "SELECT column_name, is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'
             FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name = '{table}'"
        ))?;
        let mut names = BTreeSet::new();
        for row in &rows {
            let (name, required) = row.first().zip(row.get(1)).context("a column without a name")?;
            ensure!(required != "t" || known.contains(&name.as_str()), "{table}.{name} is new to the seeding");
            names.insert(name.as_str());
        }
        Ok(Self { table, present: known.iter().copied().filter(|name| names.contains(name)).collect() })
    }

    /// Copies rows in; `write` puts the values of each into a [`Line`] by name.
    pub(super) fn copy(&self, owner: &Psql, write: impl FnOnce(&mut Line<'_, '_>) -> Result<()>) -> Result<()> {
        let columns = format!("({})", self.present.join(", "));
        owner.copy_in_frozen(self.table, &columns, |output| write(&mut Line { columns: self, output, filled: 0 }))
    }
}

/// One row after the other in the text format of COPY.
pub(super) struct Line<'c, 'o> {
    columns: &'c Columns,
    output: &'o mut dyn Write,
    filled: usize,
}

impl Line<'_, '_> {
    /// Writes a value of the row; in the order of the columns, each once. One that the table lacks is passed over.
    pub(super) fn put(&mut self, column: &'static str, value: impl std::fmt::Display) -> Result<()> {
        if self.next_is(column)? {
            write!(self.output, "{value}")?;
        }
        Ok(())
    }

    /// Writes at most [`MAX_VALUE_BYTES`] bytes.
    pub(super) fn put_bytes(&mut self, column: &'static str, bytes: &[u8]) -> Result<()> {
        if self.next_is(column)? {
            let mut text = [0; 2 * MAX_VALUE_BYTES];
            let text = text.get_mut(..2 * bytes.len()).context("more bytes than a hash has")?;
            hex::encode_to_slice(bytes, text)?;
            // A backslash is written twice in this format.
            self.output.write_all(b"\\\\x")?;
            self.output.write_all(text)?;
        }
        Ok(())
    }

    /// Ends the row.
    pub(super) fn end(&mut self) -> Result<()> {
        ensure!(self.filled == self.columns.present.len(), "a row of {} is incomplete", self.columns.table);
        self.filled = 0;
        self.output.write_all(b"\n")?;
        Ok(())
    }

    fn next_is(&mut self, column: &'static str) -> Result<bool> {
        if self.columns.present.get(self.filled) != Some(&column) {
            return Ok(false);
        }
        if self.filled > 0 {
            self.output.write_all(b"\t")?;
        }
        self.filled += 1;
        Ok(true)
    }
}

/// Drops the tables' indexes and the keys that stand on them, and returns the statements that make them again.
pub(super) fn drop_indexes(owner: &Psql, tables: &[&str]) -> Result<Vec<Vec<String>>> {
    let mut restore = Vec::new();
    for table in tables {
        // Keys first: their indexes go and come with them.
        let rows = owner.rows(&format!(
            "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
                    format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname,
                           pg_get_constraintdef(oid))
             FROM pg_constraint
             WHERE conrelid = '{table}'::regclass AND contype IN ('p', 'u')
             UNION ALL
             SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
             FROM pg_index
             WHERE indrelid = '{table}'::regclass
               AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))"
        ))?;
        let mut statements = Vec::new();
        for row in &rows {
            let (drop, make) = row.first().zip(row.get(1)).context("an index without a definition")?;
            owner.run(drop)?;
            statements.push(make.clone());
        }
        restore.push(statements);
    }
    Ok(restore)
}

/// Makes again what [`drop_indexes`] has dropped.
pub(super) fn restore_indexes(owner: &Psql, statements: &[Vec<String>]) -> Result<()> {
    for statement in statements.iter().flatten() {
        owner.run(&format!("SET maintenance_work_mem = '{INDEX_MEMORY}'; {statement}"))?;
    }
    Ok(())
}

/// Does what autovacuum and the checkpointer would do while the measurement runs.
pub(super) fn settle(owner: &Psql, tables: &[&str]) -> Result<()> {
    thread::scope(|scope| {
        let vacuum = |table: &&str| {
            let statement = format!("VACUUM (ANALYZE) {table}");
            scope.spawn(move || owner.run(&statement))
        };
        let vacuums: Vec<_> = tables.iter().map(vacuum).collect();
        vacuums
            .into_iter()
            .try_for_each(|vacuum| vacuum.join().map_err(|_| anyhow!("a thread that vacuums has crashed"))?.map(drop))
    })?;
    owner.run("CHECKPOINT").map(drop)
}
