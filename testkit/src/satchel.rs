//! A whole Satchel: stores of its own, one API and some workers, as processes.

use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::Value;

use crate::job::test_catalogue;
use crate::port::free_port;
use crate::token::{ALL_SCOPES, SECRET, token};
use crate::way::Ways;
use crate::{Caller, Database, Journal, Process, Psql, Server, Setup, TestRedis, binary, wait};

/// The key that the API signs queue entries with.
pub const ENVELOPE_KEY: &str = "test-envelope-key-test-envelope-key!";

/// The key that signs where users' ledgers end.
pub const LEDGER_KEY: &str = "test-ledger-key-test-ledger-key-1!";

/// The key that seals the secrets of webhooks.
const SECRETS_KEY: &str = "test-secrets-key-test-secrets-key!";

/// How many ports are tried: another process may take one just before the API does.
const MAX_PORTS_TRIED: usize = 10;

/// See the module. Everything stops when it is dropped.
pub struct Satchel {
    // Dropped in this order: first who uses the stores, then the stores.
    api: Mutex<Process>,
    pub(crate) workers: Mutex<Vec<Process>>,
    /// What the callers of this Satchel were promised.
    pub journal: Journal,
    /// Its Redis.
    pub redis: TestRedis,
    /// Its database.
    pub database: Database,
    /// How it was set up.
    pub setup: Setup,
    ways: Option<Ways>,
    address: String,
    anyone: Caller,
}

impl Setup {
    /// Starts everything; returns when the API is ready and the test catalogue published.
    pub async fn start(self) -> Satchel {
        let own = |settings| Arc::new(Server::private(settings, &self.postgres_env));
        let server = self.own_postgres.map_or_else(Server::shared, own);
        Satchel::launch(self, server).await
    }
}

impl Satchel {
    /// One with one worker.
    pub async fn start() -> Self {
        Setup::new().start().await
    }

    pub(crate) async fn launch(mut setup: Setup, server: Arc<Server>) -> Self {
        let database = Database::create(server);
        let redis = TestRedis::launch(setup.redis);
        let ways = if setup.has_ways { Some(lay_ways(&mut setup, &database, &redis).await) } else { None };
        let journal = Journal::default();
        let (api, address, anyone) = new_api(&setup.api_env, &database, &redis, &journal).await;
        let workers = Mutex::default();
        let satchel = Self { api: Mutex::new(api), workers, journal, redis, database, setup, ways, address, anyone };
        satchel.publish(&test_catalogue()).await;
        for _ in 0..satchel.setup.workers {
            satchel.start_worker();
        }
        satchel
    }

    /// The ways of [`Setup::with_ways`].
    pub fn ways(&self) -> &Ways {
        self.ways.as_ref().expect("a setup with ways")
    }

    /// What the API has written so far.
    pub fn api_output(&self) -> String {
        self.api.lock().unwrap().output()
    }

    /// `host:port` of the API.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A caller without credential.
    pub fn anyone(&self) -> Caller {
        self.anyone.clone()
    }

    /// The token of the service `game` with all scopes.
    pub fn game_token(&self) -> String {
        token("service", "game", ALL_SCOPES)
    }

    /// The service `game` with all scopes.
    pub fn game(&self) -> Caller {
        self.anyone.with(&self.game_token())
    }

    /// A service with these scopes.
    pub fn service(&self, name: &str, scopes: &str) -> Caller {
        self.anyone.with(&token("service", name, scopes))
    }

    /// A player.
    pub fn player(&self, user_id: &str) -> Caller {
        self.anyone.with(&token("player", user_id, ""))
    }

    /// An operator.
    pub fn operator(&self) -> Caller {
        self.anyone.with(&token("operator", "ops", ""))
    }

    /// Publishes a catalogue.
    pub async fn publish(&self, catalogue: &Value) {
        let operator = self.operator();
        let request = operator.request(Method::PUT, "/api/v1/catalogue").json(catalogue);
        operator.send(request).await.expect(200);
    }

    /// Waits until a job is finished, and gives its status document.
    pub async fn finished(&self, job_id: &str) -> Value {
        let path = format!("/api/v1/jobs/{job_id}");
        wait::until(&format!("{path} is finished"), || async {
            let answer = self.operator().get(&path).await;
            let job = (answer.status == 200).then(|| answer.json())?;
            matches!(job["status"].as_str(), Some("applied" | "rejected" | "parked")).then_some(job)
        })
        .await
    }

    /// What a user has, by item id; waits for nothing.
    pub async fn holdings(&self, user_id: &str) -> Vec<(String, i64)> {
        let inventory = self.operator().get(&format!("/api/v1/users/{user_id}/inventory")).await.expect(200).json();
        let items = inventory["items"].as_array().expect("items");
        let holding = |item: &Value| {
            (item["itemId"].as_str().expect("an id").to_owned(), item["quantity"].as_i64().expect("a quantity"))
        };
        items.iter().map(holding).collect()
    }

    /// A page of a user's history; `query` as in a URL.
    pub async fn history(&self, user_id: &str, query: &str) -> Vec<Value> {
        let history = self.operator().get(&format!("/api/v1/users/{user_id}/history{query}")).await.expect(200).json();
        history["entries"].as_array().expect("entries").clone()
    }

    /// Sends the API a signal and waits for its end.
    pub fn stop_api(&self, signal: Signal) -> ExitStatus {
        let api = self.api.lock().unwrap();
        api.signal(signal);
        api.wait()
    }

    /// The first line of the API's output so far that contains `part`.
    pub fn api_line(&self, part: &str) -> Option<String> {
        self.api.lock().unwrap().line_with(part)
    }

    /// Kills the API at once.
    pub fn kill_api(&self) {
        self.stop_api(Signal::SIGKILL);
    }

    /// Starts the API again where it was, and waits until it is ready.
    pub async fn start_api(&self) {
        *self.api.lock().unwrap() = spawn_api(&self.setup.api_env, &self.database, &self.redis, &self.address);
        wait::until("the API is ready again", || async { is_ready(&self.anyone).await.then_some(()) }).await;
    }

    /// Runs the program `satchel` with access to this Satchel, and gives what it printed. Fails the test if it fails.
    pub fn tool(&self, arguments: &[&str]) -> String {
        let output = command("satchel", &[], &self.database, &self.redis)
            .env("SATCHEL_OWNER_DATABASE_URL", self.database.schema_owner.url())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("satchel");
        assert!(output.status.success(), "satchel {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Makes an API key of a service.
    pub fn create_api_key(&self, subject: &str, scopes: &str) -> String {
        let mut arguments = vec!["key", "create", "--name", "test", "--sub", subject];
        scopes.split(' ').for_each(|scope| arguments.extend(["--scope", scope]));
        self.tool(&arguments)
    }

    /// Revokes an API key.
    pub fn revoke_api_key(&self, key: &str) {
        let prefix = key.split('_').nth(1).unwrap_or_else(|| panic!("no prefix in {key}"));
        self.tool(&["key", "revoke", prefix]);
    }
}

/// A program of this workspace with access to the stores, and nothing of this test's own environment.
pub(crate) fn command(program: &str, env: &[(String, String)], database: &Database, redis: &TestRedis) -> Command {
    let mut command = Command::new(binary(program));
    command
        .env_clear()
        .env("DATABASE_URL", database.api.url())
        .env("SATCHEL_WORKER_DATABASE_URL", database.worker.url())
        .envs(redis.env().iter().map(|(name, value)| (name, value)))
        .env("SATCHEL_ENVELOPE_KEY", ENVELOPE_KEY)
        .env("SATCHEL_JWT_SECRET", SECRET)
        .env("SATCHEL_SECRETS_KEY", SECRETS_KEY)
        .env("RUST_BACKTRACE", "1")
        .env("NO_COLOR", "1");
    if program != "satchel-api" {
        command.env("SATCHEL_LEDGER_KEY", LEDGER_KEY);
    }
    command.envs(env.iter().map(|(name, value)| (name, value)));
    command
}

/// Lays a way from each program to each store, and tells the programs to use it.
async fn lay_ways(setup: &mut Setup, database: &Database, redis: &TestRedis) -> Ways {
    let ways = Ways::to(redis.port(), database.api.port).await;
    for (env, to_redis, to_postgres, name, login) in [
        (&mut setup.api_env, &ways.api_to_redis, &ways.api_to_postgres, "DATABASE_URL", &database.api),
        (
            &mut setup.worker_env,
            &ways.worker_to_redis,
            &ways.worker_to_postgres,
            "SATCHEL_WORKER_DATABASE_URL",
            &database.worker,
        ),
    ] {
        let login = Psql { host: "127.0.0.1".to_owned(), port: to_postgres.port(), ..login.clone() };
        env.push((name.to_owned(), login.url()));
        env.push(("REDIS_URL".to_owned(), redis.url_over(to_redis.port())));
    }
    ways
}

fn spawn_api(env: &[(String, String)], database: &Database, redis: &TestRedis, address: &str) -> Process {
    let mut command = command("satchel-api", env, database, redis);
    Process::spawn("satchel-api", command.env("SATCHEL_API_ADDR", address))
}

async fn is_ready(anyone: &Caller) -> bool {
    let answer = anyone.try_send(anyone.request(Method::GET, "/readyz")).await;
    answer.is_some_and(|answer| answer.status == 200)
}

/// Starts an API on some free port.
pub(crate) async fn new_api(
    env: &[(String, String)],
    database: &Database,
    redis: &TestRedis,
    journal: &Journal,
) -> (Process, String, Caller) {
    for _ in 0..MAX_PORTS_TRIED {
        let address = format!("127.0.0.1:{}", free_port());
        let anyone = Caller::new(format!("http://{address}"), journal.clone());
        let api = spawn_api(env, database, redis, &address);
        let ready = wait::until("the API is ready or has ended", || async {
            // Asked in this order, so that no other process's answer is taken for this one's.
            let ready = is_ready(&anyone).await;
            if api.exited().is_some() { Some(false) } else { ready.then_some(true) }
        })
        .await;
        if ready {
            return (api, address, anyone);
        }
        assert!(api.output().contains("in use"), "satchel-api ended at once:\n{}", api.output());
    }
    panic!("no free port for the API in {MAX_PORTS_TRIED} tries");
}
