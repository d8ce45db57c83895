//! Postgres as the owner of the schema has it.

use anyhow::{Context, Result};
use satchel_settings::Env;
use satchel_store::{Pool, PoolConfig};
use secrecy::SecretString;

const URL: &str = "SATCHEL_OWNER_DATABASE_URL";

/// The login, which must be given.
pub(crate) fn url(env: &mut Env) -> SecretString {
    env.secret(URL)
}

/// One connection by that login.
pub(crate) fn pool(url: SecretString, application_name: &'static str) -> Result<Pool> {
    let config = PoolConfig {
        url,
        role: None,
        application_name,
        max_connections: 1,
        acquire_timeout_ms: 5_000,
        statement_timeout_ms: 30_000,
    };
    Pool::new(&config).with_context(|| format!("cannot use {URL}"))
}
