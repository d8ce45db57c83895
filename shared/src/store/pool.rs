//! Connections to Postgres and what can go wrong with them.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use super::stored::Unreadable;
use crate::config::Env;
use crate::domain::ShardCount;

/// How to reach Postgres. Every wait has a bound.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// `postgres://user:password@host:port/database`.
    pub url: SecretString,
    /// If given, every session acts as this role from its start.
    pub role: Option<String>,
    /// Shown in `pg_stat_activity`.
    pub application_name: &'static str,
    /// Most connections.
    pub max_connections: u32,
    /// Longest wait for a free connection, in milliseconds.
    pub acquire_timeout_ms: u64,
    /// Longest run of one statement, in milliseconds.
    pub statement_timeout_ms: u64,
}

impl PoolConfig {
    /// Longest wait for a row that another session holds, in milliseconds.
    const LOCK_TIMEOUT_MS: u64 = 5_000;
    /// How long a session may sit inside a transaction, in milliseconds, before Postgres ends it: a worker
    /// that is paused there would else hold its rows for good.
    const IDLE_IN_TRANSACTION_TIMEOUT_MS: u64 = 5_000;

    /// Reads `DATABASE_URL` and `SATCHEL_DATABASE_ROLE`.
    pub fn from_env(env: &mut Env, application_name: &'static str, max_connections: u32) -> Self {
        Self {
            url: env.secret("DATABASE_URL"),
            role: env.optional("SATCHEL_DATABASE_ROLE"),
            application_name,
            max_connections,
            acquire_timeout_ms: 5_000,
            statement_timeout_ms: 30_000,
        }
    }

    fn connect_options(&self) -> Result<PgConnectOptions, StoreError> {
        let options =
            PgConnectOptions::from_str(self.url.expose_secret())?.application_name(self.application_name).options([
                ("statement_timeout", self.statement_timeout_ms),
                ("lock_timeout", Self::LOCK_TIMEOUT_MS),
                ("idle_in_transaction_session_timeout", Self::IDLE_IN_TRANSACTION_TIMEOUT_MS),
            ]);
        Ok(match &self.role {
            Some(role) => options.options([("role", role)]),
            None => options,
        })
    }
}

/// What went wrong between Satchel and Postgres.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres is away, or answered with an error.
    #[error("Postgres: {0}")]
    Database(#[from] sqlx::Error),
    /// A row says something that Satchel never wrote.
    #[error("a stored row cannot be read: {0}")]
    Unreadable(#[from] Unreadable),
    /// The schema is not there, or is older than this program.
    #[error("the database has no Satchel schema: run `satchel migrate`")]
    NotMigrated,
}

/// A pool of connections; clones share it.
#[derive(Debug, Clone)]
pub struct Pool(pub(super) PgPool);

/// An open transaction; dropped without [`Tx::commit`], it is rolled back.
pub struct Tx(pub(super) sqlx::Transaction<'static, sqlx::Postgres>);

impl Pool {
    /// Makes the pool. It connects when it is first needed.
    ///
    /// # Errors
    /// If the URL cannot be read.
    pub fn new(config: &PoolConfig) -> Result<Self, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
            // A dead connection shows at its first statement; asking before each use would cost a round trip.
            .test_before_acquire(false)
            .connect_lazy_with(config.connect_options()?);
        Ok(Self(pool))
    }

    /// Asks Postgres for a sign of life.
    ///
    /// # Errors
    /// If there is none.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query!("SELECT 1 AS one").fetch_one(&self.0).await?;
        Ok(())
    }

    /// The number of shards, which the first migration fixed.
    ///
    /// # Errors
    /// [`StoreError::NotMigrated`] if there are none.
    pub async fn shard_count(&self) -> Result<ShardCount, StoreError> {
        let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM shard_leases"#).fetch_one(&self.0).await;
        let count = match count {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => 0,
            count => count?,
        };
        u16::try_from(count).ok().and_then(ShardCount::new).ok_or(StoreError::NotMigrated)
    }

    /// Opens a transaction.
    ///
    /// # Errors
    /// If Postgres is away.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(Tx(self.0.begin().await?))
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

impl Tx {
    /// Makes everything in the transaction durable and visible, or nothing.
    ///
    /// # Errors
    /// If Postgres refused, or its answer was lost, in which case it may have happened all the same.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }

    /// The database's clock, to the microsecond.
    ///
    /// # Errors
    /// If Postgres is away.
    pub async fn now(&mut self) -> Result<DateTime<Utc>, StoreError> {
        Ok(sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(&mut *self.0).await?)
    }
}

/// SQLSTATE of a table that does not exist (Postgres manual, appendix A).
const UNDEFINED_TABLE: &str = "42P01";
