//! Connections to Postgres that many share, and what can go wrong with them.

use std::str::FromStr;

use satchel_model::ids::ShardCount;
use satchel_model::installation::Installation;
use satchel_settings::Env;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;

use super::connections::Connections;
use super::migrate;
use super::roles::Program;
use super::stored::Unreadable;

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
    const URL: &'static str = "DATABASE_URL";
    const WORKER_URL: &'static str = "SATCHEL_WORKER_DATABASE_URL";

    /// Longest wait for a row that another session holds, in milliseconds.
    const LOCK_TIMEOUT_MS: u64 = 5_000;
    /// How long a session may sit inside a transaction, in milliseconds, before Postgres ends it: a worker
    /// that is paused there would else hold its rows for good.
    const IDLE_IN_TRANSACTION_TIMEOUT_MS: u64 = 5_000;

    /// Every hot query finds rows by key. Plans are made once per connection, perhaps when the tables are still
    /// empty, and kept while they grow: without this, a batch that was planned on the first day reads whole
    /// tables on the second (Postgres manual, "Planner Method Configuration").
    const LOOKUPS_BY_KEY: [(&str, &str); 6] = [
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
        // It would read a long history whole and sort it, to give a page of what the key has in order.
        ("enable_bitmapscan", "off"),
        // A plan that has no other way than to read a small table whole then looks dear enough to be compiled.
        ("jit", "off"),
    ];

    /// Reads `DATABASE_URL` and `SATCHEL_DATABASE_ROLE`; for a worker, `SATCHEL_WORKER_DATABASE_URL` and
    /// `SATCHEL_WORKER_DATABASE_ROLE` take their place, if they are there: one environment may do for both programs.
    pub fn from_env(env: &mut Env, program: Program, application_name: &'static str, max_connections: u32) -> Self {
        let own = (program == Program::Worker).then(|| env.optional_secret(Self::WORKER_URL)).flatten();
        let (name, url) = match own {
            Some(url) => (Self::WORKER_URL, url),
            None => (Self::URL, env.secret(Self::URL)),
        };
        let text = url.expose_secret();
        if !text.is_empty() && !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
            env.fault(name, "must begin with postgres:// or postgresql://");
        }
        let own_role = (program == Program::Worker).then(|| env.optional("SATCHEL_WORKER_DATABASE_ROLE")).flatten();
        Self {
            url,
            role: own_role.or_else(|| env.optional("SATCHEL_DATABASE_ROLE")),
            application_name,
            max_connections,
            acquire_timeout_ms: 5_000,
            statement_timeout_ms: 30_000,
        }
    }

    pub(super) fn connect_options(&self) -> Result<PgConnectOptions, StoreError> {
        let options = PgConnectOptions::from_str(self.url.expose_secret())?
            .application_name(self.application_name)
            .options([
                ("statement_timeout", self.statement_timeout_ms),
                ("lock_timeout", Self::LOCK_TIMEOUT_MS),
                ("idle_in_transaction_session_timeout", Self::IDLE_IN_TRANSACTION_TIMEOUT_MS),
            ])
            .options(Self::LOOKUPS_BY_KEY);
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
    /// Postgres did not answer in time.
    #[error("Postgres did not answer within {deadline_ms} ms")]
    Deadline {
        /// The time that it had, in milliseconds.
        deadline_ms: u64,
    },
    /// Postgres does not work at what it was asked, and no answer is under way: the connection is dead, or all are.
    #[error("Postgres does not work at what it was asked: the connection is dead")]
    Lost,
    /// A row says something that Satchel never wrote.
    #[error("a stored row cannot be read: {0}")]
    Unreadable(#[from] Unreadable),
    /// A holding is not as it was when it was read.
    #[error("somebody else changed a holding meanwhile")]
    Changed,
    /// A job was decided before.
    #[error("a job was decided before")]
    Decided,
    /// A job cannot be decided: its operation looks at a fact that it does not ask for.
    #[error("the job's operation looks at a fact that it does not ask for")]
    Unread,
    /// An event has a number that its shard has not given yet.
    #[error("an event is ahead of its shard's counter")]
    Ahead,
    /// The schema is not there.
    #[error("the database has no Satchel schema: run `satchel migrate`")]
    NotMigrated,
    /// The schema lacks what this program needs.
    #[error("the schema lacks migration {0}: run `satchel migrate` of this version")]
    OldSchema(i64),
}

/// A pool of connections; clones share it.
#[derive(Debug, Clone)]
pub struct Pool(pub(super) Connections);

impl Pool {
    /// Makes the pool. It connects when it is first needed.
    ///
    /// # Errors
    /// If the URL cannot be read.
    pub fn new(config: &PoolConfig) -> Result<Self, StoreError> {
        Ok(Self(Connections::new(config)?))
    }

    /// Asks Postgres for a sign of life.
    ///
    /// # Errors
    /// If there is none.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query!("SELECT 1 AS one").fetch_one(&self.0).await?;
        Ok(())
    }

    /// What the database says of itself.
    ///
    /// # Errors
    /// [`StoreError::NotMigrated`] if it has no schema, [`StoreError::OldSchema`] if it has one that this program does not
    /// work with.
    pub async fn installation(&self) -> Result<Installation, StoreError> {
        migrate::check(&self.0).await?;
        let row = sqlx::query!(
            r#"SELECT installation_id, (SELECT count(*) FROM shard_leases) AS "shards!" FROM queue_state WHERE singleton"#
        );
        let row = row.fetch_one(&self.0).await?;
        let shards = u16::try_from(row.shards).ok().and_then(ShardCount::new).ok_or(StoreError::NotMigrated)?;
        Ok(Installation { id: row.installation_id, shards })
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.0.close().await;
    }
}
