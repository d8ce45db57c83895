//! A database of a test's own, on a server that the tests which run at the time share.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use satchel_model::ids::ShardCount;
use satchel_private::{PostgresOptions, PrivatePostgres, temporary_parent};
use satchel_store::audit::{self, AuditReport};
use satchel_store::{Pool, PoolConfig, Program, RolePasswords, Session, StoreError, migrate};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// Shards of every database.
pub(crate) const SHARDS: u16 = 4;

/// How often a test looks whether a session waits.
const MAX_LOOKS: usize = 200;

/// Stops with the last test that uses it.
struct Server {
    postgres: PrivatePostgres,
    databases: AtomicU32,
    _dir: TempDir,
}

impl Server {
    async fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let dir = tempfile::tempdir_in(temporary_parent()).unwrap();
        let options = PostgresOptions { shared_buffers_mib: 32, ..PostgresOptions::new(dir.path()) };
        let postgres = PrivatePostgres::start(&options).unwrap();
        migrate(&postgres.owner_url("satchel"), &RolePasswords::default(), ShardCount::new(SHARDS)).await.unwrap();
        let server = Arc::new(Self { postgres, databases: AtomicU32::new(0), _dir: dir });
        *shared = Arc::downgrade(&server);
        server
    }
}

/// A migrated database.
pub(crate) struct Database {
    server: Arc<Server>,
    name: String,
}

impl Database {
    pub(crate) async fn new() -> Self {
        let server = Server::shared().await;
        let name = format!("test_{}", server.databases.fetch_add(1, Ordering::Relaxed));
        server
            .postgres
            .psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE satchel OWNER satchel_owner"))
            .unwrap();
        Self { server, name }
    }

    /// Connections as the API has them.
    pub(crate) fn pool(&self) -> Pool {
        Pool::new(&self.config(Program::Api)).unwrap()
    }

    /// What `satchel audit` finds, without a key.
    pub(crate) async fn audit(&self) -> Result<AuditReport, StoreError> {
        audit::check(&self.pool(), 2, None, &Arc::default()).await
    }

    /// Connections as a worker's functions have them.
    pub(crate) fn workers_pool(&self) -> Pool {
        Pool::new(&self.config(Program::Worker)).unwrap()
    }

    /// Connections on which no statement may run longer.
    pub(crate) fn hurried_pool(&self, statement_timeout_ms: u64) -> Pool {
        Pool::new(&PoolConfig { statement_timeout_ms, ..self.config(Program::Api) }).unwrap()
    }

    /// A connection as a worker has it.
    pub(crate) fn session(&self) -> Session {
        Session::new(&self.config(Program::Worker)).unwrap()
    }

    /// Runs SQL as the superuser: rows a line, columns separated by `|`.
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.server.postgres.psql(&self.name, sql).unwrap().trim().to_owned()
    }

    /// What Postgres says to the superuser's SQL, which it must refuse.
    pub(crate) fn refusal(&self, sql: &str) -> String {
        self.server.postgres.psql(&self.name, sql).unwrap_err().to_string()
    }

    /// Waits until a session of this database waits for a lock.
    pub(crate) async fn someone_waits(&self) {
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        for _ in 0..MAX_LOOKS {
            let (server, name) = (Arc::clone(&self.server), self.name.clone());
            // Off this thread, on which the one that is to wait has to come so far.
            let count = tokio::task::spawn_blocking(move || server.postgres.psql(&name, waiting).unwrap());
            if count.await.unwrap().trim() != "0" {
                return;
            }
        }
        panic!("nobody waits for a lock");
    }

    pub(crate) fn config(&self, program: Program) -> PoolConfig {
        PoolConfig {
            url: self.server.postgres.superuser_url(&self.name),
            role: Some(program.role().to_owned()),
            application_name: "store",
            max_connections: 4,
            acquire_timeout_ms: 10_000,
            statement_timeout_ms: 30_000,
        }
    }
}
