//! Applies the jobs of the queue.

use std::sync::Arc;

use anyhow::{Context, Result};
use bullmq::worker::WorkerEvent;
use bullmq::{Error, Job, Worker, WorkerOptions};
use uuid::Uuid;

use crate::job;
use crate::postgres::Postgres;
use crate::queue::{self, QUEUE};
use crate::{settings, told_to_end};

const CONCURRENCY: usize = 256;
const PG_CONNECTIONS: usize = 16;
const SHUTDOWN_LIMIT_MS: u64 = 30_000;

pub(crate) async fn serve() -> Result<()> {
    let postgres = Arc::new(Postgres::open(settings::count("PG_CONNECTIONS", PG_CONNECTIONS)?).await?);
    let options =
        WorkerOptions::new().connection(queue::connection()?).concurrency(settings::count("CONCURRENCY", CONCURRENCY)?);
    let apply = move |job: Job, _| {
        let postgres = Arc::clone(&postgres);
        async move { apply(&postgres, &job).await.map_err(|error| Error::ProcessingError(format!("{error:#}"))) }
    };
    let worker = Arc::new(Worker::with_options(QUEUE, apply, options).await.context("cannot reach Redis")?);
    // Every job is two events, kept until they are read.
    let listener = Arc::clone(&worker);
    let listening = tokio::spawn(async move {
        while let Some(event) = listener.next_event().await {
            match event {
                WorkerEvent::Failed { job_id, error } => eprintln!("job {job_id}: {error}"),
                WorkerEvent::Error(error) => eprintln!("bullmq: {error}"),
                _ => {}
            }
        }
    });
    println!("ready");
    told_to_end().await?;
    worker.close(SHUTDOWN_LIMIT_MS).await?;
    listening.abort();
    Ok(())
}

async fn apply(postgres: &Postgres, job: &Job) -> Result<serde_json::Value> {
    let job_id = Uuid::parse_str(job.id())?;
    let order: job::Job = serde::Deserialize::deserialize(job.data())?;
    postgres.apply(job_id, &order).await
}
