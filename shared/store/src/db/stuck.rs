//! Sessions that hold their locks for so long that others stand still: of a program whose connection hangs where Postgres cannot
//! see it, or of somebody else who has a program's login. (Whoever connects may turn Postgres's own limits off.)

use std::time::Duration;

use chrono::{DateTime, Utc};
use satchel_settings::Env;
use sqlx::Row;

use crate::{PoolConfig, Session, StoreError};

/// How often a program looks, at most, in milliseconds.
const LOOK_EVERY_MS: u64 = 5_000;
/// How long Postgres has for one look, in milliseconds.
const LOOK_DEADLINE_MS: u64 = 5_000;

/// The limits on the sessions of a program's login.
#[derive(Debug, Clone)]
pub struct TransactionLimit {
    /// `SATCHEL_TRANSACTION_LIMIT_MS`: how long one may hold locks that others wait for, in milliseconds. Default 60000.
    pub limit_ms: u32,
}

impl TransactionLimit {
    /// Reads the environment; faults are noted in `env`. Longer than any transaction of Satchel's own takes.
    pub fn from_env(env: &mut Env) -> Self {
        Self { limit_ms: env.number_or("SATCHEL_TRANSACTION_LIMIT_MS", 1_000..=3_600_000, 60_000) }
    }

    /// How often a program looks.
    #[must_use]
    pub fn look_every(&self) -> Duration {
        Duration::from_millis(LOOK_EVERY_MS.min(self.limit_ms.into()))
    }
}

/// One that was ended.
#[derive(Debug, Clone)]
pub struct Stuck {
    /// The process of its backend.
    pub pid: i32,
    /// As which program it connected, by its own word.
    pub application_name: String,
    /// From where, as Postgres saw it.
    pub client: String,
    /// `active`, `idle in transaction` and so on.
    pub state: String,
    /// When its transaction began.
    pub since: DateTime<Utc>,
}

/// Ends what is stuck, and says so in the log; the number of sessions that were ended.
///
/// # Errors
/// If Postgres is away.
pub async fn look(session: &mut Session, limit: &TransactionLimit) -> Result<u64, StoreError> {
    let stuck = session.run(LOOK_DEADLINE_MS, async |session| end(session, limit).await).await?;
    for Stuck { pid, application_name, client, state, since } in &stuck {
        tracing::error!(
            pid, application_name, client, state, since = %since,
            "a session held its locks for too long and was ended: a program hangs, or somebody else has its login"
        );
    }
    Ok(stuck.len() as u64)
}

/// A session to look over: as the login itself, which may end its own sessions, while a role that it acts as may not.
///
/// # Errors
/// If the URL cannot be read.
pub fn session(config: &PoolConfig) -> Result<Session, StoreError> {
    Session::new(&PoolConfig { role: Some("none".to_owned()), ..config.clone() })
}

/// Ends the sessions of this login that have been in one transaction for longer than the limit and hold more than a reader
/// does. Those that only read, such as an audit's, hold nobody up and may take their time.
///
/// # Errors
/// If Postgres is away.
pub async fn end(session: &mut Session, limit: &TransactionLimit) -> Result<Vec<Stuck>, StoreError> {
    let rows = sqlx::query(
        "WITH old AS MATERIALIZED (
             SELECT pid, application_name, COALESCE(host(client_addr), '') AS client, state, xact_start
             FROM pg_stat_activity
             WHERE usename = session_user AND datname = current_database() AND pid <> pg_backend_pid()
               AND xact_start < clock_timestamp() - $1 * interval '1 millisecond'
         ), stuck AS MATERIALIZED (
             SELECT *
             FROM old
             WHERE EXISTS (
                 SELECT FROM pg_locks
                 WHERE pg_locks.pid = old.pid AND granted AND locktype <> 'virtualxid' AND mode <> 'AccessShareLock'
             )
         )
         SELECT pid, application_name, client, COALESCE(state, '') AS state, xact_start
         FROM stuck
         WHERE pg_terminate_backend(pid)",
    )
    .bind(f64::from(limit.limit_ms))
    .fetch_all(session.connection().await?)
    .await?;
    let stuck = |row: &sqlx::postgres::PgRow| {
        Ok(Stuck {
            pid: row.try_get(0)?,
            application_name: row.try_get(1)?,
            client: row.try_get(2)?,
            state: row.try_get(3)?,
            since: row.try_get(4)?,
        })
    };
    rows.iter().map(stuck).collect()
}
