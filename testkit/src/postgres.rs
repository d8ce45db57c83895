//! Postgres for tests: one server for all tests of a process, a database of its own for each.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use satchel_private::{ExposeSecret, PostgresOptions, PrivatePostgres};

use crate::janitor::{self, scratch_dir};
use crate::login::Psql;
use crate::process::binary;
use crate::psql::Session;
use crate::{quick_login, sessions, wait};

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
            let maintenance = server.maintenance();
            maintenance.run("ALTER SYSTEM SET fsync = off");
            maintenance.run("SELECT pg_reload_conf()");
            Arc::new(server)
        });
        Arc::clone(server)
    }

    /// A server of a test's own, which it may stop and kill, with these settings (name, value) beside the usual ones, and these
    /// variables.
    pub fn private(settings: &[(&str, &str)], env: &[(&str, String)]) -> Self {
        let dir = scratch_dir("postgres");
        copy_data(model(), &dir);
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Self::of(started(&PostgresOptions { env, ..options(dir, settings) }))
    }

    /// The same, no copy of another one: its log tells of its own migration.
    pub fn from_nothing(settings: &[(&str, &str)]) -> Self {
        let postgres = started(&options(scratch_dir("postgres"), settings));
        make_template(&postgres);
        Self::of(postgres)
    }

    fn of(postgres: PrivatePostgres) -> Self {
        let template = Psql::of_url(postgres.superuser_url(TEMPLATE).expose_secret());
        let schema_owner = Psql::of_url(postgres.owner_url(TEMPLATE).expose_secret());
        Self { postgres: Mutex::new(postgres), template, schema_owner, databases: AtomicU32::new(0) }
    }

    /// As the superuser, in none of the tests' databases. (A session in the template would forbid to copy it.)
    fn maintenance(&self) -> Psql {
        Psql { database: "postgres".to_owned(), ..self.template.clone() }
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
        sessions::forget_server(self.template.port);
    }

    /// Kills it.
    pub fn crash(&self) {
        let mut postgres = self.postgres.lock().unwrap();
        janitor::forget(postgres.pid().unsigned_abs());
        postgres.kill();
        sessions::forget_server(self.template.port);
    }

    /// Starts it again where it was.
    pub fn start(&self) {
        let mut postgres = self.postgres.lock().unwrap();
        postgres.restart().unwrap_or_else(|error| panic!("{error}"));
        janitor::watch_postgres(postgres.pid().unsigned_abs());
    }
}

fn options(dir: PathBuf, settings: &[(&str, &str)]) -> PostgresOptions {
    PostgresOptions {
        shared_buffers_mib: 128,
        max_connections: 500,
        settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..PostgresOptions::new(dir)
    }
}

fn started(options: &PostgresOptions) -> PrivatePostgres {
    let postgres = PrivatePostgres::start(options).unwrap_or_else(|error| panic!("{error}"));
    janitor::watch_postgres(postgres.pid().unsigned_abs());
    postgres
}

/// The directory of a server that was stopped once it had the template database: the others begin as its copies.
fn model() -> &'static Path {
    static MODEL: OnceLock<PathBuf> = OnceLock::new();
    MODEL.get_or_init(|| {
        let dir = scratch_dir("postgres");
        let mut postgres = started(&options(dir.clone(), &[]));
        make_template(&postgres);
        janitor::forget(postgres.pid().unsigned_abs());
        postgres.stop();
        dir
    })
}

fn make_template(postgres: &PrivatePostgres) {
    postgres.create_database(TEMPLATE).expect("a template database");
    let owner = Psql::of_url(postgres.owner_url(TEMPLATE).expose_secret());
    migrate(&owner);
    let superuser = Psql::of_url(postgres.superuser_url("postgres").expose_secret());
    let programs = [("satchel_api", API_PASSWORD), ("satchel_worker", WORKER_PASSWORD)];
    let people = [&superuser, &owner].map(|login| (&*login.user, &*login.password));
    quick_login::make_quick(&superuser, &[&programs[..], &people].concat());
}

/// Copies a stopped server's data, with whose they are.
fn copy_data(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from.join("postgres")).arg(to).status().expect("the program cp");
    assert!(copied.success(), "cp -a: {copied}");
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
        let maintenance = server.maintenance();
        {
            // A template can be copied by one session at a time.
            let _alone = server.postgres.lock().unwrap();
            maintenance
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
        sessions::forget(&self.owner);
        // If this fails, the janitor removes the whole server.
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.owner.database);
        let _ = self.server.maintenance().try_run(&drop);
    }
}
