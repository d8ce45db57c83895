//! How Postgres is reached.

use std::str::FromStr;

use satchel_settings::Env;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;

use super::program::Program;
use crate::StoreError;

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

    pub(crate) fn connect_options(&self) -> Result<PgConnectOptions, StoreError> {
        let options = PgConnectOptions::from_str(self.url.expose_secret())?
            .application_name(self.application_name)
            .options([
                ("statement_timeout", self.statement_timeout_ms),
                ("lock_timeout", Self::LOCK_TIMEOUT_MS),
                ("idle_in_transaction_session_timeout", Self::IDLE_IN_TRANSACTION_TIMEOUT_MS),
            ])
            // Each statement must see what was committed before it, also those that waited for a lock.
            .options([("default_transaction_isolation", "read committed")])
            .options(Self::LOOKUPS_BY_KEY);
        Ok(match &self.role {
            Some(role) => options.options([("role", role)]),
            None => options,
        })
    }
}
