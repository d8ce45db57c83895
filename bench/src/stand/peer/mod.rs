//! The peers: the same service as people would build it with others' queues, in `bench/peers/`. Its README says how each
//! was tuned. Here they are only started and stopped.

mod node;
mod program;
mod restate;
mod rust;
mod script;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use satchel_private::free_port;
use uuid::Uuid;

use self::program::Program;
use self::restate::Restate;
use super::contender::{Contender, Kind};
use super::process::Child;
use super::servers::Servers;
use super::token;
use crate::load::job::Accepted;

const READY_PATIENCE: Duration = Duration::from_mins(1);
/// How long making the tables, or queueing a million jobs, may take.
const ONCE_PATIENCE: Duration = Duration::from_mins(30);
/// How many ports are tried: another process may take one just before the API does.
const MAX_PORTS_TRIED: u32 = 5;

/// A running peer. Dropped, its programs stop first, then its servers.
#[derive(Debug)]
pub(crate) struct Peer {
    // Dropped in this order.
    workers: Vec<Child>,
    api: Child,
    restate: Option<Restate>,
    kind: Kind,
    address: SocketAddr,
    jwt_secret: String,
    workers_started: usize,
    servers: Servers,
}

impl Peer {
    /// Installs and builds what is missing, makes tables and stock, and starts the API. No worker runs then.
    pub(crate) fn start(kind: Kind, servers: Servers) -> Result<Self> {
        program::ensure_there(kind)?;
        let jwt_secret = format!("{}{}", Uuid::now_v7().simple(), Uuid::now_v7().simple());
        run_once(&servers, "node schema.mjs", script::node(&servers, &["schema.mjs"]))?;
        let restate = if kind == Kind::Restate { Some(Restate::start(&servers)?) } else { None };
        let (api, address) = start_api(kind, &servers, restate.as_ref(), &jwt_secret)?;
        Ok(Self { workers: Vec::new(), api, restate, kind, address, jwt_secret, workers_started: 0, servers })
    }

    fn command(&self, program: Program) -> Result<Command> {
        program::command(self.kind, program, &self.servers, self.restate.as_ref())
    }
}

impl Contender for Peer {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn servers(&self) -> &Servers {
        &self.servers
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn token(&self, role: &str, subject: &str) -> Result<String> {
        token::mint(&self.jwt_secret, role, subject)
    }

    fn start_workers(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.workers_started += 1;
            let log = self.servers.dir().join(format!("worker-{}.log", self.workers_started));
            let worker = Child::spawn("the peer's worker", &mut self.command(Program::Worker)?, &log)?;
            worker.wait_for_line("ready", READY_PATIENCE)?;
            self.workers.push(worker);
        }
        Ok(())
    }

    fn stop_workers(&mut self) {
        self.workers.clear();
    }

    /// A Node process computes on one core alone, yet two were no faster here; the one in Rust takes all cores.
    fn best_workers(&self) -> usize {
        1
    }

    fn fill(&mut self, jobs: usize, hot_percent: u8) -> Result<Vec<Accepted>> {
        ensure!(hot_percent == 0, "the peers are not measured with a skewed load");
        let mut command = self.command(Program::Fill)?;
        command.arg(jobs.to_string());
        run_once(&self.servers, "queueing jobs", command)?;
        Ok(Vec::new())
    }

    fn stock(&self) -> &[Accepted] {
        &[]
    }

    fn programs(&self) -> (&Child, &[Child]) {
        (&self.api, &self.workers)
    }

    fn own_server(&self) -> Option<&Child> {
        self.restate.as_ref().map(Restate::server)
    }
}

/// Whether it can be measured on this machine; says why if not.
pub(crate) fn is_possible(kind: Kind) -> bool {
    kind != Kind::Restate || restate::is_possible()
}

fn run_once(servers: &Servers, name: &'static str, mut command: Command) -> Result<()> {
    let log = servers.dir().join("once.log");
    Child::spawn(name, &mut command, &log)?.wait_success(ONCE_PATIENCE).context(name)
}

/// Starts the API on some free port and waits until it is ready.
fn start_api(
    kind: Kind,
    servers: &Servers,
    restate: Option<&Restate>,
    jwt_secret: &str,
) -> Result<(Child, SocketAddr)> {
    let log = servers.dir().join("api.log");
    let mut attempt = 0;
    loop {
        attempt += 1;
        let port = free_port()?;
        let mut command = program::command(kind, Program::Api, servers, restate)?;
        command.env("PORT", port.to_string()).env("JWT_SECRET", jwt_secret);
        let api = Child::spawn("the peer's API", &mut command, &log)?;
        match api.wait_for_line("ready", READY_PATIENCE) {
            Ok(()) => return Ok((api, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))),
            Err(_) if attempt < MAX_PORTS_TRIED && api.log_text().contains("in use") => {}
            Err(error) => return Err(error),
        }
    }
}
