//! Brings the schema to this program's version, as the owner.

use std::collections::HashMap;
use std::str::FromStr;

use satchel_model::ids::ShardCount;
use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, PgExecutor, Row};

use super::connections::Connections;
use super::program::{Program, RolePasswords};
use super::roles;
use crate::{MigrateError, OtherSchema, StoreError};

/// Every migration, in order, built into the program.
static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// Creates or updates the schema. Makes the programs' roles if they are not there; with a password one may log in,
/// else it is a role for others to act as. Safe to run again and side by side. The owner needs no more than `CREATEROLE`,
/// and not even that where the roles are there and get no password.
///
/// `shards` is for the first run; `None` means 64 there and "as it is" later.
///
/// # Errors
/// [`MigrateError`]; what was done until then stays done, and a second run goes on from there.
pub async fn migrate(
    owner_url: &SecretString,
    passwords: &RolePasswords,
    shards: Option<ShardCount>,
) -> Result<(), MigrateError> {
    let options = PgConnectOptions::from_str(owner_url.expose_secret())?.application_name("satchel-migrate");
    let mut connection = PgConnection::connect_with(&options).await?;
    let user: String = sqlx::query("SELECT current_user::text").fetch_one(&mut connection).await?.try_get(0)?;
    if let Some(program) = Program::ALL.into_iter().find(|program| user == program.role()) {
        return Err(MigrateError::NotOwner(program.role()));
    }
    let encoding: String = sqlx::query("SHOW server_encoding").fetch_one(&mut connection).await?.try_get(0)?;
    if encoding != "UTF8" {
        return Err(MigrateError::Encoding(encoding));
    }
    refuse_other_schema(&mut connection).await?;
    roles::ensure(&mut connection, passwords).await?;
    MIGRATIONS.run(&mut connection).await?;
    // Programs compare it with the migrations that they know.
    sqlx::query("GRANT SELECT ON _sqlx_migrations TO satchel_api, satchel_worker").execute(&mut connection).await?;
    fix_shards(&mut connection, shards).await?;
    close_to_public(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Says it before anything is changed, and more clearly than what runs the migrations would.
async fn refuse_other_schema(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let is_new: bool =
        sqlx::query("SELECT to_regclass('_sqlx_migrations') IS NULL").fetch_one(&mut *connection).await?.try_get(0)?;
    if !is_new {
        compare(&done(&mut *connection).await?)?;
    }
    Ok(())
}

/// Lets nobody in but the programs (and the owner), and nobody make temporary tables. Each time: a copy of a database
/// is open again. What a role may do to itself (`ALTER ROLE … PASSWORD`) Postgres cannot take away.
async fn close_to_public(connection: &mut PgConnection) -> Result<(), MigrateError> {
    let is_ours: bool =
        sqlx::query("SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()")
            .fetch_one(&mut *connection)
            .await?
            .try_get(0)?;
    if !is_ours {
        tracing::warn!(
            "the database is another role's: its owner should REVOKE CONNECT, TEMPORARY on it FROM PUBLIC, and GRANT \
             CONNECT TO satchel_api, satchel_worker"
        );
        return Ok(());
    }
    // Two that change the same database's grants at once would fail.
    sqlx::query(
        "DO $$ BEGIN
             PERFORM pg_advisory_xact_lock(hashtextextended('satchel migrate', 0));
             EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
             EXECUTE format('GRANT CONNECT ON DATABASE %I TO satchel_api, satchel_worker', current_database());
         END $$",
    )
    .execute(&mut *connection)
    .await?;
    Ok(())
}

async fn fix_shards(connection: &mut PgConnection, wanted: Option<ShardCount>) -> Result<(), MigrateError> {
    let mut tx = connection.begin().await?;
    sqlx::query("LOCK TABLE shard_leases IN SHARE ROW EXCLUSIVE MODE").execute(&mut *tx).await?;
    let actual: i64 = sqlx::query("SELECT count(*) FROM shard_leases").fetch_one(&mut *tx).await?.try_get(0)?;
    match wanted {
        _ if actual == 0 => {
            let shards = wanted.map_or(ShardCount::DEFAULT, ShardCount::get);
            sqlx::query("INSERT INTO shard_leases (shard) SELECT generate_series(0, $1 - 1)")
                .bind(i32::from(shards))
                .execute(&mut *tx)
                .await?;
        }
        Some(wanted) if i64::from(wanted.get()) != actual => {
            return Err(MigrateError::ShardsFixed { actual, wanted: wanted.get() });
        }
        _ => {}
    }
    for table in ["shard_counters", "shard_activity", "event_cursors", "queue_watermarks"] {
        let statement = format!("INSERT INTO {table} (shard) SELECT shard FROM shard_leases ON CONFLICT DO NOTHING");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// SQLSTATE for a table that is not there (Postgres manual, appendix A).
const UNDEFINED_TABLE: &str = "42P01";
/// SQLSTATE for a table that may not be read: `satchel migrate` allows it at its end.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// Whether every migration of this program has been done, and none otherwise. (Later ones may have: programs are replaced after
/// the schema.)
pub(crate) async fn check(connections: &Connections) -> Result<(), StoreError> {
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    let done = match done(connections).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => {
            return Err(StoreError::NotMigrated);
        }
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(INSUFFICIENT_PRIVILEGE) => {
            return Err(StoreError::OldSchema(newest));
        }
        done => done?,
    };
    compare(&done)?;
    match MIGRATIONS.iter().find(|migration| !done.contains_key(&migration.version)) {
        Some(missing) => Err(StoreError::OldSchema(missing.version)),
        None => Ok(()),
    }
}

/// The checksum of each migration that was done, by its version.
async fn done(executor: impl PgExecutor<'_>) -> Result<HashMap<i64, Vec<u8>>, sqlx::Error> {
    let rows = sqlx::query("SELECT version, checksum FROM _sqlx_migrations WHERE success").fetch_all(executor).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

fn compare(done: &HashMap<i64, Vec<u8>>) -> Result<(), OtherSchema> {
    let is_other = |version, checksum: &[u8]| done.get(version).is_some_and(|other| other != checksum);
    match MIGRATIONS.iter().find(|migration| is_other(&migration.version, &migration.checksum)) {
        Some(other) => Err(OtherSchema { version: other.version }),
        None => Ok(()),
    }
}
