//! The API and the workers, as tasks of this process.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use satchel_functions::Registry;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::environment::Environment;

/// How long the API, and then the workers, may take to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(40);

/// The name of a Redis, where one must be named and is not used.
const ANY_REDIS: &str = "redis://127.0.0.1/0";

/// What both programs are told.
pub(super) struct Configs {
    api: satchel_api::Config,
    worker: satchel_worker::Config,
    functions: Registry,
}

impl Configs {
    /// Reads both configurations. A queue of our own takes the place of the one that the environment would have to name.
    pub(super) fn read(environment: &Environment, own_queue: Option<satchel_queue::Config>) -> Result<Self> {
        let mut environment = environment.clone();
        // That is for the command line to read.
        environment.remove("SATCHEL_QUEUE");
        if own_queue.is_some() {
            environment.set("REDIS_URL", ANY_REDIS);
        }
        let mut env = environment.reader();
        let mut api = satchel_api::Config::from_env(&mut env);
        let mut worker = satchel_worker::Config::from_env(&mut env);
        let functions = satchel_worker::functions(&mut env);
        env.finish()?;
        if let Some(queue) = own_queue {
            api.queue = queue.clone();
            worker.queue = queue;
        }
        Ok(Self { api, worker, functions })
    }

    /// Finds the faults of an environment in which the stores may not be named yet.
    pub(super) fn check(environment: &Environment) -> Result<()> {
        let mut environment = environment.clone();
        for (name, any) in [("DATABASE_URL", "postgres://127.0.0.1/any"), ("REDIS_URL", ANY_REDIS)] {
            if !environment.names(name) {
                environment.set(name, any);
            }
        }
        Self::read(&environment, None).map(drop)
    }
}

/// The running tasks.
pub(super) struct Service {
    api: Part,
    workers: Part,
}

/// Tasks that stop together. Each is named, and ends only when told to, or with an error.
struct Part {
    name: &'static str,
    tasks: JoinSet<Result<()>>,
    stop: CancellationToken,
}

impl Service {
    /// Starts one API and some workers.
    pub(super) fn start(configs: Configs, listener: TcpListener, workers: u16) -> Result<Self> {
        let Configs { api: mut api_config, worker: worker_config, functions } = configs;
        // Before the workers start, so that the API's /metrics tells theirs too.
        api_config.metrics = satchel_api::install_metrics();
        let mut service = Self { api: Part::new("the API"), workers: Part::new("a worker") };
        for _ in 0..workers {
            service.workers.tasks.spawn(satchel_worker::run(
                worker_config.clone(),
                functions.clone(),
                service.workers.stop.clone(),
            ));
        }
        let stop = service.api.stop.clone();
        // As in satchel-api, the HTTP server's future stays on one thread; its own threads answer requests.
        let runtime = Builder::new_current_thread().enable_all().build()?;
        service.api.tasks.spawn_blocking(move || runtime.block_on(satchel_api::serve(api_config, listener, stop)));
        Ok(service)
    }

    /// Returns when a part has ended by itself, never if none does.
    pub(super) async fn failed(&mut self) -> anyhow::Error {
        tokio::select! {
            failure = self.api.failed() => failure,
            failure = self.workers.failed() => failure,
        }
    }

    /// Stops the API, then the workers, and waits for each.
    pub(super) async fn stop(mut self) {
        self.api.end().await;
        self.workers.end().await;
    }
}

impl Part {
    fn new(name: &'static str) -> Self {
        Self { name, tasks: JoinSet::new(), stop: CancellationToken::new() }
    }

    async fn failed(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            None => std::future::pending().await,
            Some(Ok(Ok(()))) => anyhow!("{} has ended without being told to", self.name),
            Some(Ok(Err(error))) => error.context(format!("{} has failed", self.name)),
            Some(Err(error)) => anyhow::Error::from(error).context(format!("{} has crashed", self.name)),
        }
    }

    async fn end(&mut self) {
        self.stop.cancel();
        let ended = timeout(STOP_PATIENCE, async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Err(error) = ended.context("it crashed").flatten() {
                    tracing::error!(error = format!("{error:#}"), "{} did not stop cleanly", self.name);
                }
            }
        });
        if ended.await.is_err() {
            tracing::error!("{} did not stop in {} s and is given up", self.name, STOP_PATIENCE.as_secs());
            self.tasks.abort_all();
        }
    }
}
