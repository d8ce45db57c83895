//! A private Postgres.

mod cluster;
mod leftover;

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use secrecy::{ExposeSecret, SecretString};

use self::cluster::{Cluster, Login};
use crate::error::{Doing, PrivateError};
use crate::files::{self, Log};
use crate::port;
use crate::watched::Watched;

/// The role that Postgres itself comes with.
pub const SUPERUSER: &str = "postgres";
/// The role that owns every database: no superuser, so that nothing works here that would not elsewhere.
const OWNER: &str = "satchel_owner";
/// The database that is made at the first start.
const DATABASE: &str = "satchel";
const MAX_ATTEMPTS: u32 = 8;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(250);
const POLL: Duration = Duration::from_millis(20);

/// What ends a start that is worth another try: another process took the port meanwhile, or the last processes of
/// a killed Postgres are still ending.
const PASSING_TROUBLES: [&str; 3] =
    ["Address already in use", "pre-existing shared memory block", "lock file \"postmaster.pid\" already exists"];

/// How a private Postgres is set up.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The data directory: the database is in `postgres` below it, the log in `postgres.log`.
    pub dir: PathBuf,
    /// The port; without one the last used, or else any free one.
    pub port: Option<u16>,
    /// Postgres's own cache.
    pub shared_buffers_mib: u32,
    /// Most connections at once.
    pub max_connections: u32,
    /// How long a start, with its recovery after a crash, may take.
    pub start_timeout_s: u64,
    /// Further settings (name, value), which override ours.
    pub settings: Vec<(String, String)>,
    /// Variables (name, value) that the server sees, beside the few that all do.
    pub env: Vec<(String, String)>,
}

impl PostgresOptions {
    /// The usual settings in this data directory.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            port: None,
            shared_buffers_mib: 256,
            max_connections: 200,
            start_timeout_s: 180,
            settings: Vec::new(),
            env: Vec::new(),
        }
    }
}

/// A private Postgres that runs until this value is stopped or dropped.
#[derive(Debug)]
pub struct PrivatePostgres {
    options: PostgresOptions,
    cluster: Cluster,
    log: Log,
    port: u16,
    server: Watched,
}

impl PrivatePostgres {
    /// Makes the database if there is none, ends a server that an earlier, killed process left on it, and starts.
    /// Blocks until Postgres accepts connections.
    ///
    /// # Errors
    /// Whatever [`PrivateError`] names: a missing program, data of another version, a server that does not start.
    pub fn start(options: &PostgresOptions) -> Result<Self, PrivateError> {
        let dir = files::data_dir(&options.dir)?;
        let options = PostgresOptions { dir, ..options.clone() };
        let log = Log::at(options.dir.join("postgres.log"));
        let cluster = Cluster::open_or_create(&options.dir)?;
        let (port, server) = run(&options, &cluster, &log, options.port)?;
        let postgres = Self { options, cluster, log, port, server };
        postgres.remember_port()?;
        postgres.make_owner()?;
        if postgres.psql("postgres", &format!("SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"))?.is_empty() {
            postgres.create_database(DATABASE)?;
        }
        Ok(postgres)
    }

    /// A database of this server, as its owner, who is no superuser.
    #[must_use]
    pub fn owner_url(&self, database: &str) -> SecretString {
        let Login { role, password } = &self.cluster.owner;
        self.url_as(role, password, database)
    }

    /// A database of this server, as the superuser.
    #[must_use]
    pub fn superuser_url(&self, database: &str) -> SecretString {
        let Login { role, password } = &self.cluster.superuser;
        self.url_as(role, password, database)
    }

    /// A database as another role.
    #[must_use]
    pub fn url_as(&self, role: &str, password: &SecretString, database: &str) -> SecretString {
        format!("postgres://{role}:{}@127.0.0.1:{}/{database}", password.expose_secret(), self.port).into()
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the postmaster.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.server.pid()
    }

    /// The server's log.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        self.log.path()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.server.ended().is_none()
    }

    /// Stops it in order (fast shutdown). Its data stays; [`Self::restart`] starts it again.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Kills the postmaster (SIGKILL) and waits for its end, as a crash would.
    pub fn kill(&mut self) {
        self.server.signal(Signal::SIGKILL);
        self.server.stop();
    }

    /// Pauses the postmaster (SIGSTOP): new connections hang.
    pub fn pause(&mut self) {
        self.server.signal(Signal::SIGSTOP);
    }

    /// Ends a pause.
    pub fn resume(&mut self) {
        self.server.signal(Signal::SIGCONT);
    }

    /// Stops it if it runs, and starts it on the same port.
    ///
    /// # Errors
    /// If it does not start again.
    pub fn restart(&mut self) -> Result<(), PrivateError> {
        self.server.stop();
        leftover::end(&self.cluster.data)?;
        let (_, server) = run(&self.options, &self.cluster, &self.log, Some(self.port))?;
        self.server = server;
        Ok(())
    }

    /// Makes an empty database of the owner's.
    ///
    /// # Errors
    /// If there is one of this name, or Postgres refuses.
    pub fn create_database(&self, name: &str) -> Result<(), PrivateError> {
        let name = name.replace('"', "\"\"");
        self.psql("postgres", &format!("CREATE DATABASE \"{name}\" OWNER {OWNER}")).map(drop)
    }

    /// Makes the owner if there is none, as `docker/postgres-owner.sh` does.
    fn make_owner(&self) -> Result<(), PrivateError> {
        let password = self.cluster.owner.password.expose_secret();
        let make = format!(
            "DO $$ BEGIN
                 IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{OWNER}') THEN
                     CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{password}';
                 END IF;
             END $$"
        );
        self.psql("postgres", &make).map(drop)
    }

    /// Runs SQL through `psql` as the superuser and returns what it prints: a row a line, columns separated by `|`.
    /// Several statements separated by `;` run in order, up to the first that fails.
    ///
    /// # Errors
    /// If a statement fails, with what `psql` says.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String, PrivateError> {
        psql(&self.cluster.programs.path("psql"), &self.superuser_url(database), sql)
    }

    fn remember_port(&self) -> Result<(), PrivateError> {
        files::write_private(&port_file(&self.options.dir), &self.port.to_string())
    }
}

/// Statements go in by standard input and the password by the environment: neither is for other users' eyes.
fn psql(program: &Path, url: &SecretString, sql: &str) -> Result<String, PrivateError> {
    let (address, password) = without_password(url.expose_secret());
    let run = || {
        let mut command = Command::new(program);
        command.args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-", "-d", &address]);
        command.env("PGPASSWORD", password).env("PGCONNECT_TIMEOUT", "10").env("LC_ALL", "C");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(sql.as_bytes())?;
        }
        child.wait_with_output()
    };
    let output = run().doing(|| format!("cannot run {}", program.display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(PrivateError::Program { program: "psql", output: said })
}

/// `postgres://role:password@rest` as `postgres://role@rest` and the password.
fn without_password(url: &str) -> (String, &str) {
    let (before, after) = url.rsplit_once('@').unwrap_or((url, ""));
    let (role, password) = before.rsplit_once(':').unwrap_or((before, ""));
    (format!("{role}@{after}"), password)
}

fn port_file(dir: &Path) -> PathBuf {
    dir.join("postgres.port")
}

/// Starts the server and waits until it accepts connections, with other ports or after a pause where that may help.
fn run(
    options: &PostgresOptions,
    cluster: &Cluster,
    log: &Log,
    fixed: Option<u16>,
) -> Result<(u16, Watched), PrivateError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let last = fs::read_to_string(port_file(&options.dir)).ok().and_then(|text| text.trim().parse().ok());
        let port = fixed.map_or_else(|| port::free(last), Ok)?;
        let (file, log_start) = log.open()?;
        let mut server = Watched::start(&cluster.account, &command_line(options, cluster, port), "INT", file)?;
        let Err(what) = wait_ready(&mut server, cluster, port, options.start_timeout_s) else {
            return Ok((port, server));
        };
        server.stop();
        let tail = log.tail(log_start);
        if attempt == MAX_ATTEMPTS || !PASSING_TROUBLES.iter().any(|trouble| tail.contains(trouble)) {
            return Err(PrivateError::Failed { server: "Postgres", what, log: log.path().to_path_buf(), tail });
        }
        sleep(ATTEMPT_PAUSE);
    }
}

/// The command line: nothing secret, and nothing that weakens durability.
fn command_line(options: &PostgresOptions, cluster: &Cluster, port: u16) -> Vec<OsString> {
    let program = cluster.programs.path("postgres");
    let mut words = if options.env.is_empty() {
        cluster.account.words(&program)
    } else {
        let mut words = cluster.account.words(Path::new("/usr/bin/env"));
        words.extend(options.env.iter().map(|(name, value)| format!("{name}={value}").into()));
        words.push(program.into_os_string());
        words
    };
    words.extend(["-D".into(), cluster.data.clone().into_os_string()]);
    let settings = [
        "listen_addresses=127.0.0.1".to_owned(),
        "unix_socket_directories=".to_owned(),
        format!("port={port}"),
        format!("shared_buffers={}MB", options.shared_buffers_mib),
        format!("max_connections={}", options.max_connections),
        "max_wal_size=4GB".to_owned(),
        "checkpoint_timeout=15min".to_owned(),
        "wal_compression=off".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        "log_checkpoints=off".to_owned(),
    ];
    let further = options.settings.iter().map(|(name, value)| format!("{name}={value}"));
    words.extend(settings.into_iter().chain(further).flat_map(|setting| ["-c".into(), setting.into()]));
    words
}

/// Ready as `pg_ctl --wait` sees it (`postmaster.pid` is ours and says so), and the port can be connected to.
fn wait_ready(server: &mut Watched, cluster: &Cluster, port: u16, timeout_s: u64) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(timeout_s);
    loop {
        if let Some(status) = server.ended() {
            return Err(format!("did not start ({status})"));
        }
        let ready = leftover::PidFile::read(&cluster.data).is_some_and(|file| file.pid == server.pid() && file.ready);
        if ready && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(format!("was not ready after {timeout_s} s"));
        }
        sleep(POLL);
    }
}
