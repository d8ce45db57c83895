//! The queue in Redis: that of `bullmq/queue.mjs`, by name, options and format.

use anyhow::{Context, Result};
use bullmq::options::RedisConnectionOptions;
use bullmq::types::{BackoffStrategy, RemoveOnFinish};
use bullmq::{JobOptions, Queue, QueueOptions};

use crate::settings;

pub(crate) const QUEUE: &str = "inventory";
const ATTEMPTS: u32 = 5;
const FIRST_RETRY_MS: u64 = 1_000;

pub(crate) fn connection() -> Result<RedisConnectionOptions> {
    Ok(RedisConnectionOptions::new().url(settings::required("REDIS_URL")?))
}

/// A queue on a connection of its own.
pub(crate) async fn open() -> Result<Queue> {
    let options = QueueOptions::new().connection(connection()?).default_job_options(JobOptions {
        attempts: Some(ATTEMPTS),
        backoff: Some(BackoffStrategy::Exponential(FIRST_RETRY_MS)),
        // What came of a job is in Postgres.
        remove_on_complete: Some(RemoveOnFinish::Bool(true)),
        ..JobOptions::default()
    });
    Queue::with_options(QUEUE, options).await.context("cannot reach Redis")
}
