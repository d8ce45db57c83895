//! Postgres as `psql` shows it: a line per row, errors as texts.

use serde_json::Value;
use sqlx::PgConnection;

use crate::login::{Psql, PsqlError};
use crate::sessions;

impl Psql {
    /// Runs `sql`, several statements in one transaction, and gives its rows: a line each, columns between `|`.
    ///
    /// # Errors
    /// If a statement is refused or the server cannot be reached.
    pub fn try_run(&self, sql: &str) -> Result<String, PsqlError> {
        sessions::blocking(sessions::run(self.clone(), sql.to_owned()))
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
}

/// A connection that stays open over several statements. Dropped, it ends, and so does its transaction.
pub struct Session {
    /// There but while a statement runs.
    connection: Option<PgConnection>,
}

impl Session {
    pub(crate) fn open(login: &Psql) -> Self {
        let login = login.clone();
        let connected = sessions::blocking(async move { sessions::connect(&login).await });
        Self { connection: Some(connected.unwrap_or_else(|error| panic!("psql: {}", error.0))) }
    }

    /// Runs a statement and waits for its end.
    pub(crate) fn run(&mut self, sql: &str) {
        let (mut connection, statement) = (self.connection.take().expect("open"), sql.to_owned());
        let (connection, done) = sessions::blocking(async move {
            let done = sessions::run_on(&mut connection, &statement).await;
            (connection, done)
        });
        self.connection = Some(connection);
        done.unwrap_or_else(|error| panic!("psql: {}\n{sql}", error.0));
    }

    /// Commits the open transaction.
    pub fn commit(mut self) {
        self.run("COMMIT");
    }
}
