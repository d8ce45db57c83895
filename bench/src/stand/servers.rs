//! A fresh Postgres and a fresh Redis, set up as for production and the same for everybody.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use satchel_private::{ExposeSecret, PostgresOptions, PrivatePostgres, PrivateRedis, RedisOptions, SecretString};
use tempfile::TempDir;

use super::sql::Psql;

/// Postgres's cache, in MiB. Its manual advises a quarter of the machine's memory; the others need some, too.
const SHARED_BUFFERS_MIB: u32 = 2_048;
/// Segments of the write-ahead log, 16 MiB each, that are there before anything is measured. A server that has run for a
/// while writes into segments that it has used before; a new one makes each, and fills it with zeros, while commits wait.
const LOG_SEGMENTS: u32 = 64;
const DATABASE: &str = "satchel";
/// Keeps as many.
const MIN_WAL_SIZE: &str = "1GB";

/// Private servers with a directory of their own. Dropped, they stop and everything is removed.
#[derive(Debug)]
pub(crate) struct Servers {
    // Dropped in this order.
    /// The Redis: everything is on disk before it is answered for (`appendfsync always`).
    pub(crate) redis: PrivateRedis,
    /// The Postgres: `fsync` and `synchronous_commit` are on.
    pub(crate) postgres: PrivatePostgres,
    dir: TempDir,
}

impl Servers {
    /// Starts both below `parent`.
    pub(crate) fn start(parent: &Path) -> Result<Self> {
        Self::start_with(parent, &[])
    }

    /// Starts both below `parent`, Postgres with further settings (name, value).
    pub(crate) fn start_with(parent: &Path, postgres: &[(&str, &str)]) -> Result<Self> {
        // Postgres does not run as root and must get into the directory all the same.
        let passable = Permissions::from_mode(0o711);
        let dir = tempfile::Builder::new().prefix("servers-").permissions(passable).tempdir_in(parent);
        let dir = dir.with_context(|| format!("cannot make a directory in {}", parent.display()))?;
        let settings = [("min_wal_size", MIN_WAL_SIZE)].iter().chain(postgres);
        let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let options = PostgresOptions::new(dir.path());
        let options = PostgresOptions { settings, shared_buffers_mib: SHARED_BUFFERS_MIB, ..options };
        let postgres = PrivatePostgres::start(&options)?;
        let redis = PrivateRedis::start(&RedisOptions::new(dir.path()))?;
        let servers = Self { redis, postgres, dir };
        make_log_segments(&Psql::new(&servers.superuser_url())?)?;
        Ok(servers)
    }

    /// Where logs of programs that use the servers go, too.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The database `satchel` as its owner, who is no superuser: `postgres://…`.
    pub(crate) fn owner_url(&self) -> String {
        self.postgres.owner_url(DATABASE).expose_secret().to_owned()
    }

    /// The same as the superuser.
    pub(crate) fn superuser_url(&self) -> String {
        self.postgres.superuser_url(DATABASE).expose_secret().to_owned()
    }

    /// The database `satchel` as another role.
    pub(crate) fn url_as(&self, role: &str, password: &str) -> String {
        let password = SecretString::from(password);
        self.postgres.url_as(role, &password, DATABASE).expose_secret().to_owned()
    }

    /// The Redis: `redis://…`.
    pub(crate) fn redis_url(&self) -> String {
        self.redis.url().expose_secret().to_owned()
    }
}

/// Uses new segments up, so that the checkpoint turns them into ones to come.
fn make_log_segments(superuser: &Psql) -> Result<()> {
    let use_one = "SELECT FROM pg_logical_emit_message(false, 'bench', ''); SELECT FROM pg_switch_wal();\n";
    superuser.run(&format!("{}CHECKPOINT", use_one.repeat(LOG_SEGMENTS as usize))).map(drop)
}
