//! Postgres by its own program `psql`: the tests see the database as an operator does.

use std::process::{Command, Stdio};

use serde_json::Value;

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
        let output = Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", &self.host, "-p", &self.port.to_string()])
            .args(["-U", &self.user, "-d", &self.database, "-c", sql])
            .env("PGPASSWORD", &self.password)
            .env("PGCONNECT_TIMEOUT", "10")
            .stdin(Stdio::null())
            .output()
            .expect("the program psql");
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
        } else {
            Err(PsqlError(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
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
