//! The bench's own access to Postgres: the program `psql`, which is there wherever Postgres is.
//!
//! Nothing that is measured goes through it. All calls block until `psql` has ended.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use satchel_private::{ExposeSecret, SecretString};

/// Between columns in what `psql` prints: a character that no value holds (ASCII "unit separator").
const SEPARATOR: char = '\u{1f}';

/// What is written to `psql` at once, in bytes.
const COPY_BUFFER_BYTES: usize = 1 << 18;

/// A way into one database as one role.
#[derive(Debug, Clone)]
pub(crate) struct Psql {
    /// The URL without its password, which goes by the environment: command lines are for everybody's eyes.
    address: String,
    password: SecretString,
}

impl Psql {
    /// Of a URL `postgres://role:password@host:port/database`.
    pub(crate) fn new(url: &str) -> Result<Self> {
        let parts = || {
            let (login, place) = url.rsplit_once('@')?;
            let (role, password) = login.strip_prefix("postgres://")?.split_once(':')?;
            Some((format!("postgres://{role}@{place}"), password))
        };
        let (address, password) = parts().context("the database's URL has another form than ours")?;
        Ok(Self { address, password: password.into() })
    }

    /// Runs statements in order, up to the first that fails, and returns what they print: a line per row.
    pub(crate) fn run(&self, sql: &str) -> Result<String> {
        let mut child = self.spawn(&["-f", "-"])?;
        // When psql ends early, its own words say more than the broken pipe.
        let written = child.stdin.take().map_or(Ok(()), |mut input| input.write_all(sql.as_bytes()));
        let printed = finish(child).with_context(|| format!("in: {}", sql.trim()))?;
        written.context("psql stopped reading")?;
        Ok(printed.trim_end().to_owned())
    }

    /// The rows of a query, each as its columns; NULL is the empty text.
    pub(crate) fn rows(&self, query: &str) -> Result<Vec<Vec<String>>> {
        let printed = self.run(query)?;
        Ok(printed.lines().map(|line| line.split(SEPARATOR).map(ToOwned::to_owned).collect()).collect())
    }

    /// The one number that a query gives.
    pub(crate) fn number<T: std::str::FromStr>(&self, query: &str) -> Result<T> {
        let printed = self.run(query)?;
        printed.parse().ok().with_context(|| format!("{query} gave {printed:?} instead of a number"))
    }

    /// Copies rows into `target`, a table with its list of columns; `write` writes them in the text format of COPY
    /// (columns separated by tabs, a line each, NULL as `\N`; Postgres manual, "COPY").
    pub(crate) fn copy_in(&self, target: &str, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        self.feed(&[&format!("COPY {target} FROM STDIN")], write).with_context(|| format!("while filling {target}"))
    }

    /// As [`Self::copy_in`], into a table that is empty: its rows need no vacuum afterwards (Postgres manual, "COPY",
    /// FREEZE). `columns` is the list in parentheses.
    pub(crate) fn copy_in_frozen(
        &self,
        table: &str,
        columns: &str,
        write: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        // For that the table must have got a new file in the same transaction. TRUNCATE, which would give it one, is
        // refused by triggers.
        let statements = [
            "BEGIN",
            &format!("ALTER TABLE {table} SET UNLOGGED"),
            &format!("ALTER TABLE {table} SET LOGGED"),
            &format!("COPY {table} {columns} FROM STDIN (FREEZE)"),
            "COMMIT",
        ];
        self.feed(&statements, write).with_context(|| format!("while filling {table}"))
    }

    /// Hands `each` the rows of a query, one after the other as they come, however many they are.
    pub(crate) fn for_each_row(&self, query: &str, mut each: impl FnMut(&[&str]) -> Result<()>) -> Result<()> {
        let copy = format!("COPY ({query}) TO STDOUT (DELIMITER E'\\x1f', NULL '')");
        let mut child = self.spawn(&["-c", &copy])?;
        let output = child.stdout.take().context("psql has no output")?;
        let mut told = Ok(());
        for line in BufReader::with_capacity(COPY_BUFFER_BYTES, output).lines() {
            let line = line.context("cannot read from psql")?;
            told = each(&line.split(SEPARATOR).collect::<Vec<_>>());
            if told.is_err() {
                break;
            }
        }
        // An early end leaves psql with a closed pipe: what `each` said comes first.
        let finished = finish(child).with_context(|| format!("in: {query}"));
        told?;
        finished.map(drop)
    }

    /// A client program of Postgres (`pgbench`, `psql`) that knows the password; its arguments are the caller's.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PGPASSWORD", self.password.expose_secret()).env("PGCONNECT_TIMEOUT", "10").env("LC_ALL", "C");
        command
    }

    /// The database's URL without its password.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The database's URL with the password, for the environment of a program.
    pub(crate) fn url(&self) -> String {
        let Some((role, place)) = self.address.rsplit_once('@') else { return self.address.clone() };
        format!("{role}:{}@{place}", self.password.expose_secret())
    }

    /// Runs statements of which one copies from what `write` writes.
    fn feed(&self, statements: &[&str], write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let words: Vec<&str> = statements.iter().flat_map(|statement| ["-c", statement]).collect();
        let mut child = self.spawn(&words)?;
        let written = match child.stdin.take() {
            None => Ok(()),
            Some(input) => {
                let mut output = BufWriter::with_capacity(COPY_BUFFER_BYTES, input);
                write(&mut output).and_then(|()| Ok(output.flush()?))
            }
        };
        finish(child)?;
        written.context("cannot write the rows")
    }

    fn spawn(&self, work: &[&str]) -> Result<Child> {
        let mut command = self.command("psql");
        command.args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-F", &SEPARATOR.to_string()]);
        command.args(["-d", &self.address]).args(work);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().context("cannot run psql (Debian package postgresql-client)")
    }
}

/// Waits for the end of a client program and returns what it printed.
pub(crate) fn finish(child: Child) -> Result<String> {
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
