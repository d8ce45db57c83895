//! Connections to Postgres, kept for the next look: a new backend costs more than most looks.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, mpsc};
use std::time::Duration;

use satchel_private::SUPERUSER;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Error, PgConnection, Row, ValueRef};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::login::{Psql, PsqlError};

/// Longest time for a connection to be made, or to be found usable.
const PATIENCE: Duration = Duration::from_secs(10);
/// What begins a statement that leaves nothing behind in its session.
const LEAVING_NOTHING: [&str; 5] = ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE"];

/// Tests have a runtime each; sessions outlive them.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(2).thread_name("psql").enable_all().build().expect("a runtime")
});
/// Those that nobody uses, by login: at most as many as were in use at once.
static IDLE: LazyLock<Mutex<HashMap<Psql, Vec<PgConnection>>>> = LazyLock::new(Mutex::default);

/// Waits for work on [`RUNTIME`], wherever the caller runs.
pub(crate) fn blocking<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let (tell, told) = mpsc::sync_channel(1);
    RUNTIME.spawn(async move {
        let _ = tell.send(work.await);
    });
    told.recv().expect("it has not panicked")
}

/// Runs `sql`, several statements as one implicit transaction. Each call begins with a session as good as new.
pub(crate) async fn run(login: Psql, sql: String) -> Result<String, PsqlError> {
    let mut connection = match idle(&login).await {
        Some(connection) => connection,
        None => connect(&login).await?,
    };
    let done = run_on(&mut connection, &sql).await;
    // Others may be refused the next time that they log in.
    let is_kept = login.user == SUPERUSER && LEAVING_NOTHING.iter().any(|word| sql.trim_start().starts_with(word));
    if is_kept && done.is_ok() {
        IDLE.lock().unwrap().entry(login).or_default().push(connection);
    } else {
        // Whatever it still holds ends with it.
        let _ = connection.close().await;
    }
    done
}

/// A session that was kept and still has its server. (Asked before anything is sent: nothing is ever sent twice.)
async fn idle(login: &Psql) -> Option<PgConnection> {
    loop {
        let mut connection = IDLE.lock().unwrap().get_mut(login)?.pop()?;
        if matches!(timeout(PATIENCE, connection.ping()).await, Ok(Ok(()))) {
            return Some(connection);
        }
    }
}

pub(crate) async fn connect(login: &Psql) -> Result<PgConnection, PsqlError> {
    let Psql { host, port, user, password, database } = login;
    let options = PgConnectOptions::new_without_pgpass()
        .host(host)
        .port(*port)
        .username(user)
        .password(password)
        .database(database)
        .application_name("psql")
        .disable_statement_logging();
    let connected = timeout(PATIENCE, PgConnection::connect_with(&options)).await;
    connected.map_err(|_| PsqlError(format!("no connection within {PATIENCE:?}")))?.map_err(refusal)
}

pub(crate) async fn run_on(connection: &mut PgConnection, sql: &str) -> Result<String, PsqlError> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await.map_err(refusal)?;
    Ok(rows.iter().map(line).collect::<Vec<_>>().join("\n").trim_end_matches('\n').to_owned())
}

/// A row as `psql -A -t` prints it.
fn line(row: &PgRow) -> String {
    let column = |i| {
        let value = row.try_get_raw(i).expect("a column");
        if value.is_null() { "" } else { value.as_str().expect("text") }
    };
    (0..row.len()).map(column).collect::<Vec<_>>().join("|")
}

/// An error as `psql` tells it.
fn refusal(error: Error) -> PsqlError {
    let Error::Database(error) = error else { return PsqlError(error.to_string()) };
    let error = error.downcast_ref::<sqlx::postgres::PgDatabaseError>();
    let more = [("DETAIL", error.detail()), ("HINT", error.hint()), ("CONTEXT", error.r#where())];
    let more = more.into_iter().filter_map(|(name, text)| Some(format!("\n{name}:  {}", text?)));
    PsqlError(format!("{}:  {}{}", error.code(), error.message(), more.collect::<String>()))
}

/// Ends what was kept of a database that is to be dropped.
pub(crate) fn forget(database: &Psql) {
    let is_other = |login: &Psql| (login.port, &login.database) != (database.port, &database.database);
    IDLE.lock().unwrap().retain(|login, _| is_other(login));
}

/// The same of all databases of a server, whose backends may outlive it for a moment.
pub(crate) fn forget_server(port: u16) {
    IDLE.lock().unwrap().retain(|login, _| login.port != port);
}
