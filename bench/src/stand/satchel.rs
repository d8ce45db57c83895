//! Satchel as it runs in production: its own programs, migrated by the owner, each logged in as its own role.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use satchel_private::free_port;
use serde_json::json;
use uuid::Uuid;

use super::applied;
use super::contender::{Contender, Kind};
use super::process::Child;
use super::programs;
use super::servers::Servers;
use super::token;
use crate::load::blocking::Client;
use crate::load::fill;
use crate::load::job::{Accepted, ITEMS};

const READY_PATIENCE: Duration = Duration::from_mins(1);
/// Signs where ledgers end: of all runs, since databases are seeded before the programs' first start. They are private, and gone after.
pub(crate) const LEDGER_KEY: &str = "bench-ledger-key-bench-ledger-key";
/// How many ports are tried: another process may take one just before the API does.
const MAX_PORTS_TRIED: u32 = 5;

/// What is not as it comes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// Variables of the API.
    pub(crate) api_env: Vec<(String, String)>,
    /// Variables of every worker.
    pub(crate) worker_env: Vec<(String, String)>,
}

/// A running Satchel. Dropped, its programs stop first, then its servers.
#[derive(Debug)]
pub(crate) struct Satchel {
    // Dropped in this order.
    workers: Vec<Child>,
    api: Child,
    environment: Environment,
    settings: Settings,
    address: SocketAddr,
    stock: Vec<Accepted>,
    workers_started: usize,
    servers: Servers,
}

/// What its programs are told.
#[derive(Debug)]
struct Environment {
    variables: Vec<(&'static str, String)>,
    jwt_secret: String,
}

impl Satchel {
    /// Migrates, starts the API, publishes the catalogue and gives every user a stock. No worker runs then.
    pub(crate) fn start(servers: Servers, settings: &Settings) -> Result<Self> {
        let environment = Environment::new(&servers);
        environment.tool(&["migrate"]).context("satchel migrate")?;
        let (api, address) = start_api(&servers, &environment, settings)?;
        let mut satchel = Self {
            workers: Vec::new(),
            api,
            environment,
            settings: settings.clone(),
            address,
            stock: Vec::new(),
            workers_started: 0,
            servers,
        };
        satchel.publish_catalogue()?;
        satchel.start_workers(1)?;
        satchel.stock = fill::stock(address, &satchel.token("service", "bench")?)?;
        let stocked = satchel.stock.len();
        applied::wait(&satchel, stocked)?;
        satchel.stop_workers();
        Ok(satchel)
    }

    /// Sends the oldest worker a signal that ends it, and waits for its end.
    pub(crate) fn end_oldest_worker(&mut self, signal: Signal) -> Result<()> {
        ensure!(!self.workers.is_empty(), "no worker runs");
        self.workers.remove(0).end(signal);
        Ok(())
    }

    fn publish_catalogue(&self) -> Result<()> {
        let item = |id: &&str| ((*id).to_owned(), json!({"name": id, "grant": "stack", "use": {"effects": []}}));
        let items: serde_json::Map<_, _> = ITEMS.iter().map(item).collect();
        let catalogue = json!({ "items": items }).to_string();
        let token = self.token("operator", "bench")?;
        Client::open(self.address)?.send("PUT", "/api/v1/catalogue", &token, catalogue.as_bytes(), 200)?;
        Ok(())
    }
}

impl Contender for Satchel {
    fn kind(&self) -> Kind {
        Kind::Satchel
    }

    fn servers(&self) -> &Servers {
        &self.servers
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn token(&self, role: &str, subject: &str) -> Result<String> {
        token::mint(&self.environment.jwt_secret, role, subject)
    }

    fn start_workers(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.workers_started += 1;
            let log = self.servers.dir().join(format!("worker-{}.log", self.workers_started));
            let mut command = self.environment.command("satchel-worker")?;
            command.envs(self.settings.worker_env.iter().map(|(name, value)| (name, value)));
            self.workers.push(Child::spawn("satchel-worker", &mut command, &log)?);
        }
        Ok(())
    }

    fn stop_workers(&mut self) {
        self.workers.clear();
    }

    fn best_workers(&self) -> usize {
        1
    }

    fn fill(&mut self, jobs: usize, hot_percent: u8) -> Result<Vec<Accepted>> {
        fill::jobs(self.address, &self.token("service", "bench")?, jobs, hot_percent)
    }

    fn stock(&self) -> &[Accepted] {
        &self.stock
    }

    fn programs(&self) -> (&Child, &[Child]) {
        (&self.api, &self.workers)
    }
}

impl Environment {
    fn new(servers: &Servers) -> Self {
        let secret = || format!("{}{}", Uuid::now_v7().simple(), Uuid::now_v7().simple());
        let (api_password, worker_password) = (secret(), secret());
        let jwt_secret = secret();
        let variables = vec![
            ("DATABASE_URL", servers.url_as("satchel_api", &api_password)),
            ("SATCHEL_WORKER_DATABASE_URL", servers.url_as("satchel_worker", &worker_password)),
            ("SATCHEL_OWNER_DATABASE_URL", servers.owner_url()),
            ("SATCHEL_API_PASSWORD", api_password),
            ("SATCHEL_WORKER_PASSWORD", worker_password),
            ("REDIS_URL", servers.redis_url()),
            ("SATCHEL_ENVELOPE_KEY", secret()),
            ("SATCHEL_LEDGER_KEY", LEDGER_KEY.to_owned()),
            ("SATCHEL_SECRETS_KEY", secret()),
            ("SATCHEL_JWT_SECRET", jwt_secret.clone()),
            ("NO_COLOR", "1".to_owned()),
        ];
        Self { variables, jwt_secret }
    }

    /// One of Satchel's programs with these variables and no others.
    fn command(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(programs::path(program)?);
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    fn tool(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command("satchel")?.args(arguments).stdin(Stdio::null()).output().context("cannot run it")?;
        let said = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        ensure!(output.status.success(), "satchel {}: {} {printed}", arguments.join(" "), said.trim());
        Ok(printed)
    }
}

/// Starts the API on some free port and waits until it is ready.
fn start_api(servers: &Servers, environment: &Environment, settings: &Settings) -> Result<(Child, SocketAddr)> {
    let log: PathBuf = servers.dir().join("api.log");
    let mut attempt = 0;
    loop {
        attempt += 1;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut command = environment.command("satchel-api")?;
        command.env("SATCHEL_API_ADDR", address.to_string());
        command.envs(settings.api_env.iter().map(|(name, value)| (name, value)));
        let api = Child::spawn("satchel-api", &mut command, &log)?;
        let is_ready = |_: &Child| Client::open(address).is_ok_and(|mut client| client.get("/readyz", "").is_ok());
        match api.wait_until("becoming ready", READY_PATIENCE, is_ready) {
            Ok(()) => return Ok((api, address)),
            Err(_) if attempt < MAX_PORTS_TRIED && api.log_text().contains("in use") => {}
            Err(error) => return Err(error),
        }
    }
}
