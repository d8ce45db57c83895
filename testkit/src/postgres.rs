//! Postgres for tests: one server for all tests of a process, a database of its own for each.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use satchel_private::{ExposeSecret, PostgresOptions, PrivatePostgres};

use crate::janitor::{self, scratch_dir};
use crate::process::binary;
use crate::psql::{Psql, Session};
use crate::wait;

/// The passwords of the programs' roles.
const API_PASSWORD: &str = "api-password-of-the-tests";
const WORKER_PASSWORD: &str = "worker-password-of-the-tests";
/// The migrated database that each test's own is a copy of.
const TEMPLATE: &str = "satchel_template";

/// A private Postgres with a migrated template database.
pub struct Server {
    postgres: Mutex<PrivatePostgres>,
    /// The template as the superuser, and as its owner.
    template: Psql,
    schema_owner: Psql,
    databases: AtomicU32,
}

impl Server {
    /// The server that tests share, started by the first that asks. Do not stop it.
    pub fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Server>> = OnceLock::new();
        let server = SHARED.get_or_init(|| {
            let server = Self::private(&[], &[]);
            // No test crashes the machine, and what a process wrote outlives the process without a sync. (A server
            // of a test's own keeps its syncs.)
            let _ = server.template.run("ALTER SYSTEM SET fsync = off");
            let _ = server.template.run("SELECT pg_reload_conf()");
            Arc::new(server)
        });
        Arc::clone(server)
    }

    /// A server of a test's own, which it may stop and kill, with these settings (name, value) beside the usual ones, and these
    /// variables.
    pub fn private(settings: &[(&str, &str)], env: &[(&str, String)]) -> Self {
        let options = PostgresOptions {
            shared_buffers_mib: 128,
            max_connections: 500,
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            env: env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            ..PostgresOptions::new(scratch_dir("postgres"))
        };
        let postgres = PrivatePostgres::start(&options).unwrap_or_else(|error| panic!("{error}"));
        janitor::watch_postgres(postgres.pid().unsigned_abs());
        postgres.create_database(TEMPLATE).expect("a template database");
        let template = Psql::of_url(postgres.superuser_url(TEMPLATE).expose_secret());
        let schema_owner = Psql::of_url(postgres.owner_url(TEMPLATE).expose_secret());
        migrate(&schema_owner);
        Self { postgres: Mutex::new(postgres), template, schema_owner, databases: AtomicU32::new(0) }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        let postgres = self.postgres.lock().unwrap();
        std::fs::read_to_string(postgres.log_path()).expect("the log of Postgres")
    }

    /// Stops it in order.
    pub fn stop(&self) {
        let mut postgres = self.postgres.lock().unwrap();
        janitor::forget(postgres.pid().unsigned_abs());
        postgres.stop();
    }

    /// Kills it.
    pub fn crash(&self) {
        let mut postgres = self.postgres.lock().unwrap();
        janitor::forget(postgres.pid().unsigned_abs());
        postgres.kill();
    }

    /// Starts it again where it was.
    pub fn start(&self) {
        let mut postgres = self.postgres.lock().unwrap();
        postgres.restart().unwrap_or_else(|error| panic!("{error}"));
        janitor::watch_postgres(postgres.pid().unsigned_abs());
    }
}

/// Runs `satchel migrate`, which is what an operator would do.
fn migrate(database: &Psql) {
    let output = Command::new(binary("satchel"))
        .arg("migrate")
        .env("SATCHEL_OWNER_DATABASE_URL", database.url())
        .env("SATCHEL_API_PASSWORD", API_PASSWORD)
        .env("SATCHEL_WORKER_PASSWORD", WORKER_PASSWORD)
        .stdin(Stdio::null())
        .output()
        .expect("satchel migrate");
    assert!(output.status.success(), "satchel migrate: {}", String::from_utf8_lossy(&output.stderr));
}

/// One test's database, dropped with it.
pub struct Database {
    /// As the superuser: tests look at everything, and do what nobody else may.
    pub owner: Psql,
    /// As the owner of the schema, who is no superuser.
    pub schema_owner: Psql,
    /// As the API.
    pub api: Psql,
    /// As a worker.
    pub worker: Psql,
    /// The server that it is on.
    pub server: Arc<Server>,
}

impl Database {
    /// A new copy of the migrated template.
    pub fn create(server: Arc<Server>) -> Self {
        let number = server.databases.fetch_add(1, Ordering::Relaxed);
        let database = format!("test_{number}");
        let maintenance = Psql { database: "postgres".to_owned(), ..server.template.clone() };
        {
            // A template can be copied by one session at a time.
            let _alone = server.postgres.lock().unwrap();
            let _ = maintenance
                .run(&format!("CREATE DATABASE {database} TEMPLATE {TEMPLATE} OWNER {}", server.schema_owner.user));
        }
        let schema_owner = Psql { database: database.clone(), ..server.schema_owner.clone() };
        let owner = Psql { database, ..server.template.clone() };
        let login =
            |role: &str, password: &str| Psql { user: role.to_owned(), password: password.to_owned(), ..owner.clone() };
        let (api, worker) = (login("satchel_api", API_PASSWORD), login("satchel_worker", WORKER_PASSWORD));
        Self { owner, schema_owner, api, worker, server }
    }

    /// Does `sql` in a transaction of its own and keeps it open, with all its locks, until it is committed or
    /// dropped.
    pub fn hold(&self, sql: &str) -> Session {
        Self::hold_as(&self.owner, sql)
    }

    /// The same with another login, which turns off what would end it.
    pub fn hold_as(login: &Psql, sql: &str) -> Session {
        let mut session = Session::open(login);
        session.run("SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0");
        session.run("BEGIN");
        session.run(sql);
        session
    }

    /// Waits until a session of this database waits for a lock.
    pub async fn someone_waits_for_a_lock(&self) {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        wait::until_true("a session waits for a lock", || self.owner.number(waiting) > 0).await;
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let maintenance = Psql { database: "postgres".to_owned(), ..self.owner.clone() };
        // If this fails, the janitor removes the whole server.
        let _ = maintenance.try_run(&format!("DROP DATABASE {} WITH (FORCE)", self.owner.database));
    }
}
