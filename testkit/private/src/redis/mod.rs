//! A private Redis.

mod cluster;
mod conf;
mod probe;

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use secrecy::{ExposeSecret, SecretString};

pub use self::cluster::PrivateCluster;
use self::conf::Conf;
use crate::account::Account;
use crate::error::{Doing, PrivateError};
use crate::files::{self, Log};
use crate::watched::Watched;
use crate::{port, process, programs};

const MAX_ATTEMPTS: u32 = 8;
const ATTEMPT_PAUSE: Duration = Duration::from_millis(250);
const POLL: Duration = Duration::from_millis(20);
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(30);

/// How a private Redis is set up.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// The data directory: Redis keeps its files in `redis` below it, its log in `redis.log`.
    pub dir: PathBuf,
    /// The port; without one the last used, or else any free one.
    pub port: Option<u16>,
    /// How long a start, with loading its data, may take.
    pub start_timeout_s: u64,
    /// The password; without one the last used, or else a random one.
    pub password: Option<SecretString>,
    /// Further lines of its configuration file, which override ours.
    pub settings: Vec<String>,
}

impl RedisOptions {
    /// The usual settings in this data directory.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), port: None, start_timeout_s: 120, password: None, settings: Vec::new() }
    }
}

/// A private Redis, as durable as Satchel asks for, that runs until this value is stopped or dropped.
#[derive(Debug)]
pub struct PrivateRedis {
    options: RedisOptions,
    program: PathBuf,
    log: Log,
    conf: Conf,
    server: Watched,
}

impl PrivateRedis {
    /// Ends a server that an earlier, killed process left on this data, and starts. Blocks until Redis answers.
    ///
    /// # Errors
    /// Whatever [`PrivateError`] names: a missing program, a server that does not start.
    pub fn start(options: &RedisOptions) -> Result<Self, PrivateError> {
        let program = programs::redis_server()?;
        let dir = files::data_dir(&options.dir)?;
        let options = RedisOptions { dir, ..options.clone() };
        let data = conf::data_dir(&options.dir);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&data);
        made.doing(|| format!("cannot make {}", data.display()))?;
        let log = Log::at(options.dir.join("redis.log"));
        let old = Conf::read(&options.dir);
        if let Some(old) = &old {
            end_leftover(old, &data)?;
        }
        let (conf, server) = run(&options, &program, &log, options.port, old.as_ref())?;
        Ok(Self { options, program, log, conf, server })
    }

    /// `redis://:password@127.0.0.1:port/0`.
    #[must_use]
    pub fn url(&self) -> SecretString {
        format!("redis://:{}@127.0.0.1:{}/0", self.conf.password.expose_secret(), self.conf.port).into()
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.conf.port
    }

    /// The process id of the server.
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

    /// Stops it in order (SIGTERM). Its data stays; [`Self::restart`] starts it again.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Kills it (SIGKILL) and waits for its end, as a crash would.
    pub fn kill(&mut self) {
        self.server.signal(Signal::SIGKILL);
        self.server.stop();
    }

    /// Pauses it (SIGSTOP): connections are accepted by the system, nothing is answered.
    pub fn pause(&mut self) {
        self.server.signal(Signal::SIGSTOP);
    }

    /// Ends a pause.
    pub fn resume(&mut self) {
        self.server.signal(Signal::SIGCONT);
    }

    /// Stops it if it runs, and starts it on the same port with the same password.
    ///
    /// # Errors
    /// If it does not start again.
    pub fn restart(&mut self) -> Result<(), PrivateError> {
        self.server.stop();
        let (conf, server) = run(&self.options, &self.program, &self.log, Some(self.conf.port), Some(&self.conf))?;
        (self.conf, self.server) = (conf, server);
        Ok(())
    }
}

/// Starts the server and waits until it answers, with another port or after a pause where the port was taken.
fn run(
    options: &RedisOptions,
    program: &Path,
    log: &Log,
    fixed: Option<u16>,
    old: Option<&Conf>,
) -> Result<(Conf, Watched), PrivateError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let port = fixed.map_or_else(|| port::free(old.map(|old| old.port)), Ok)?;
        let password = options.password.clone().or_else(|| old.map(|old| old.password.clone()));
        let password = password.map_or_else(|| files::password().map(Into::into), Ok)?;
        let conf = Conf { port, password, settings: options.settings.clone() };
        let (file, log_start) = log.open()?;
        let words: [OsString; 2] = [program.into(), conf.write(&options.dir)?.into()];
        let mut server = Watched::start(&Account::Own, &words, "TERM", file)?;
        let Err(what) = wait_ready(&mut server, &conf, options.start_timeout_s) else {
            return Ok((conf, server));
        };
        server.stop();
        let tail = log.tail(log_start);
        if attempt == MAX_ATTEMPTS || !tail.contains("Address already in use") {
            return Err(PrivateError::Failed { server: "Redis", what, log: log.path().to_path_buf(), tail });
        }
        sleep(ATTEMPT_PAUSE);
    }
}

fn wait_ready(server: &mut Watched, conf: &Conf, timeout_s: u64) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(timeout_s);
    loop {
        if let Some(status) = server.ended() {
            return Err(format!("did not start ({status})"));
        }
        if probe::process_id(conf).is_some_and(|pid| pid == server.pid()) {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(format!("was not ready after {timeout_s} s"));
        }
        sleep(POLL);
    }
}

/// Ends a Redis that an earlier, killed process left running on this data: one that knows our password on our port,
/// or, if it does not answer, the process of our pid file that is a Redis on our port by its own title.
fn end_leftover(old: &Conf, data: &Path) -> Result<(), PrivateError> {
    let Some(pid) = probe::process_id(old).or_else(|| silent_leftover(old, data)) else { return Ok(()) };
    process::signal(pid, Signal::SIGTERM);
    process::signal(pid, Signal::SIGCONT);
    if process::wait_gone(pid, LEFTOVER_PATIENCE) {
        return Ok(());
    }
    Err(PrivateError::StillRunning { server: "Redis", pid, dir: data.to_path_buf() })
}

fn silent_leftover(old: &Conf, data: &Path) -> Option<i32> {
    let pid = fs::read_to_string(conf::pid_file(data)).ok()?.trim().parse().ok()?;
    let title = process::is_alive(pid).then(|| process::command_line(pid)).flatten()?;
    (title.contains("-server") && title.contains(&format!("127.0.0.1:{}", old.port))).then_some(pid)
}
