//! Restate's server, of the npm package.

use std::env;
use std::env::consts::{ARCH, OS};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use satchel_private::free_port;

use super::{node, run_once, script};
use crate::stand::process::Child;
use crate::stand::servers::Servers;

const NODE_NAME: &str = "bench";
/// Until it has made its log and its partitions.
const START_PATIENCE: Duration = Duration::from_mins(2);
/// 24 unless told otherwise; see `bench/peers/README.md`.
const PARTITIONS: &str = "4";

/// It asks GitHub for newer versions at its start, whatever its settings. In a mount namespace of its own it takes that
/// name for this machine's, where nobody answers: nothing that is measured asks anybody else.
const HOSTS: &str = "127.0.0.1 localhost api.github.com\n";
/// Becomes the program of its arguments, which then finds its hosts in the file of the first.
const WITH_HOSTS: &str = r#"mount --bind "$0" /etc/hosts && exec "$@""#;

/// Whether it can be run here; says why if not.
pub(super) fn is_possible() -> bool {
    let hosts = Path::new("/etc/hosts");
    let mut probe = with_hosts(hosts, Path::new("true"));
    let probe = probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let reason = match (package_arch(), probe) {
        (None, _) => "it has no server for this processor",
        (_, Ok(status)) if status.success() => return true,
        (_, _) => "unshare (util-linux) can make no namespace here, and without one it asks GitHub for newer versions",
    };
    eprintln!("bench: without restate: {reason}");
    false
}

/// A program that has this file for `/etc/hosts`.
fn with_hosts(hosts: &Path, program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", WITH_HOSTS]).arg(hosts).arg(program);
    command
}

/// A running server that knows the peer's service, which need not run.
#[derive(Debug)]
pub(super) struct Restate {
    server: Child,
    dir: PathBuf,
    worker_port: u16,
}

impl Restate {
    /// Starts one that keeps its data beside the other servers', and tells it of the service.
    pub(super) fn start(servers: &Servers) -> Result<Self> {
        let dir = servers.dir().join("restate");
        let hosts = servers.dir().join("restate-hosts");
        fs::write(&hosts, HOSTS)?;
        let mut command = with_hosts(&hosts, &program_path()?);
        command.arg("--no-logo").env_clear().envs(env::var_os("PATH").map(|path| ("PATH", path))).envs(SETTINGS);
        command.env("RESTATE_NODE_NAME", NODE_NAME);
        command.env("RESTATE_BASE_DIR", &dir).env("RESTATE_DEFAULT_NUM_PARTITIONS", PARTITIONS);
        let server = Child::spawn("restate-server", &mut command, &servers.dir().join("restate.log"))?;
        let restate = Self { server, dir, worker_port: free_port()? };
        let sockets = [restate.socket("ingress"), restate.socket("admin")];
        restate
            .server
            .wait_until("opening its sockets", START_PATIENCE, |_| sockets.iter().all(|path| path.exists()))?;
        restate.register(servers)?;
        Ok(restate)
    }

    /// Lets it ask the service what it offers: for that a worker runs for a moment.
    fn register(&self, servers: &Servers) -> Result<()> {
        let mut worker = script::node(servers, &["restate/worker.mjs"]);
        self.tell(&mut worker);
        let worker = Child::spawn("the peer's worker", &mut worker, &servers.dir().join("first-worker.log"))?;
        worker.wait_for_line("ready", START_PATIENCE)?;
        let mut register = script::node(servers, &["restate/register.mjs"]);
        self.tell(&mut register);
        run_once(servers, "node restate/register.mjs", register)
    }

    /// Tells a program where the server is, and where the service has to be.
    pub(super) fn tell(&self, command: &mut Command) {
        command.env("RESTATE_INGRESS_SOCKET", self.socket("ingress"));
        command.env("RESTATE_ADMIN_SOCKET", self.socket("admin"));
        command.env("WORKER_PORT", self.worker_port.to_string());
    }

    /// The process.
    pub(super) fn server(&self) -> &Child {
        &self.server
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.dir.join(NODE_NAME).join(format!("{name}.sock"))
    }
}

/// Its log is on disk before it answers (`bifrost.local.rocksdb-disable-wal-fsync` is off by itself).
const SETTINGS: [(&str, &str); 7] = [
    // It has no need of a port.
    ("RESTATE_LISTEN_MODE", "unix"),
    ("RESTATE_BIND_IP", "127.0.0.1"),
    ("RESTATE_DISABLE_TELEMETRY", "true"),
    ("RESTATE_ADMIN__DISABLE_WEB_UI", "true"),
    ("RESTATE_LOG_FILTER", "warn"),
    ("RESTATE_LOG_DISABLE_ANSI_CODES", "true"),
    // Jobs wait for the worker, however long it is away.
    ("RESTATE_DEFAULT_RETRY_POLICY__MAX_ATTEMPTS", "unlimited"),
];

/// The processor, as packages name it.
fn package_arch() -> Option<&'static str> {
    match ARCH {
        "x86_64" => Some("x64"),
        "aarch64" => Some("arm64"),
        _ => None,
    }
}

/// The program itself: the package's script would only start it, and be measured in its place.
fn program_path() -> Result<PathBuf> {
    let arch = package_arch().with_context(|| format!("Restate has no server for {ARCH}: leave it out (--only)"))?;
    let package = format!("node_modules/@restatedev/restate-server-{OS}-{arch}/bin/restate-server");
    let path = node::peers_dir().join(&package);
    path.is_file().then_some(path).with_context(|| format!("bench/peers/{package} is missing: npm ci installs it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_finds_the_hosts_that_it_is_given_and_nobody_else_does() {
        if !is_possible() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (hosts, ours) = (dir.path().join("hosts"), fs::read("/etc/hosts").unwrap());
        fs::write(&hosts, HOSTS).unwrap();
        let seen = with_hosts(&hosts, Path::new("cat")).arg("/etc/hosts").output().unwrap();
        assert_eq!(String::from_utf8(seen.stdout).unwrap(), HOSTS);
        assert_eq!(fs::read("/etc/hosts").unwrap(), ours);
    }
}
