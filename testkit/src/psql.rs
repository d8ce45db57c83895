//! Postgres by its own program `psql`: the tests see the database as an operator does.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

use crate::janitor;

/// The program.
static PSQL: LazyLock<PathBuf> = LazyLock::new(|| satchel_private::psql().expect("the program psql"));

/// One way into one database.
#[derive(Debug, Clone)]
pub struct Psql {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Login role.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Database name.
    pub database: String,
}

/// What `psql` wrote to standard error.
#[derive(Debug, Clone)]
pub struct PsqlError(pub String);

impl Psql {
    /// Reads `postgres://user:password@host:port/database`.
    pub(crate) fn of_url(url: &str) -> Self {
        let read = || {
            let (login, place) = url.strip_prefix("postgres://")?.split_once('@')?;
            let (user, password) = login.split_once(':')?;
            let (address, database) = place.split_once('/')?;
            let (host, port) = address.split_once(':')?;
            Some((user, password, host, port.parse().ok()?, database))
        };
        let (user, password, host, port, database) = read().expect("a complete URL");
        let (user, password) = (user.to_owned(), password.to_owned());
        Self { host: host.to_owned(), port, user, password, database: database.to_owned() }
    }

    /// Runs `sql` and gives what it prints: a line per row, columns between `|`.
    ///
    /// # Errors
    /// If a statement is refused or the server cannot be reached.
    pub fn try_run(&self, sql: &str) -> Result<String, PsqlError> {
        let output = self.command().args(["-c", sql]).stdin(Stdio::null()).output().expect("the program psql");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
        } else {
            Err(PsqlError(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    }

    fn command(&self) -> Command {
        let mut psql = Command::new(&*PSQL);
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", &self.host, "-p", &self.port.to_string()])
            .args(["-U", &self.user, "-d", &self.database])
            .env("PGPASSWORD", &self.password)
            .env("PGCONNECT_TIMEOUT", "10");
        psql
    }

    /// As [`Psql::try_run`]; fails the test when refused.
    pub fn run(&self, sql: &str) -> String {
        self.try_run(sql).unwrap_or_else(|error| panic!("psql: {}\n{sql}", error.0))
    }

    /// The rows of one SELECT as JSON objects.
    pub fn rows(&self, select: &str) -> Vec<Value> {
        let text = self.run(&format!("SELECT coalesce(json_agg(row), '[]') FROM ({select}) AS row"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("rows of {select}: {error}"))
    }

    /// The one number that a SELECT gives.
    pub fn number(&self, select: &str) -> i64 {
        let text = self.run(select);
        text.parse().unwrap_or_else(|error| panic!("{select} gave {text:?}: {error}"))
    }

    /// This login as a connection URL.
    pub fn url(&self) -> String {
        let Self { host, port, user, password, database } = self;
        format!("postgres://{user}:{password}@{host}:{port}/{database}")
    }
}

/// A connection that stays open over several statements. Dropped, it ends, and so does its transaction.
pub struct Session {
    psql: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// What marks the end of a statement's output.
    const DONE: &str = "statement-done";

    pub(crate) fn open(login: &Psql) -> Self {
        let mut psql = login.command().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program psql");
        janitor::watch(psql.id());
        let input = psql.stdin.take().expect("piped");
        let output = BufReader::new(psql.stdout.take().expect("piped"));
        Self { psql, input, output }
    }

    /// Runs a statement and waits for its end.
    pub(crate) fn run(&mut self, sql: &str) {
        writeln!(self.input, "{sql};\nSELECT '{}';", Self::DONE).expect("psql reads");
        let mut line = String::new();
        while line.trim_end() != Self::DONE {
            line.clear();
            let length = self.output.read_line(&mut line).expect("psql writes");
            assert!(length > 0, "psql ended at: {sql}");
        }
    }

    /// Commits the open transaction.
    pub fn commit(mut self) {
        self.run("COMMIT");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.psql.kill();
        let _ = self.psql.wait();
        janitor::forget(self.psql.id());
    }
}
