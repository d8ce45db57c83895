//! The API and the workers, as tasks of this process.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::environment::Environment;

/// How long the API, and then the workers, may take to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(40);

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
    /// Reads both configurations, so that all faults are told, then starts one API and some workers.
    pub(super) fn start(environment: &Environment, listener: TcpListener, workers: u16) -> Result<Self> {
        let mut env = environment.reader();
        let config = satchel_api::Config::from_env(&mut env);
        env.finish()?;
        let mut service = Self { api: Part::new("the API"), workers: Part::new("a worker") };
        for index in 0..workers {
            let mut environment = environment.clone();
            if index > 0 {
                // One address, one listener: the metrics of this process are all in one place.
                environment.remove("SATCHEL_WORKER_METRICS_ADDR");
            }
            let mut env = environment.reader();
            let config = satchel_worker::Config::from_env(&mut env);
            env.finish()?;
            service.workers.tasks.spawn(satchel_worker::run(config, service.workers.stop.clone()));
        }
        service.api.tasks.spawn(satchel_api::serve(config, listener, service.api.stop.clone()));
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
