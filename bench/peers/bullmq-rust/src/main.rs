//! The service on BullMQ's crate: `bullmq-rust-peer api`, `… worker`, `… fill JOBS`.

mod access;
mod api;
mod fill;
mod job;
mod outcomes;
mod postgres;
mod queue;
mod settings;
mod worker;

use std::process::ExitCode;

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bullmq-rust: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["api"] => api::serve().await,
        ["worker"] => worker::serve().await,
        ["fill", jobs] => fill::fill(jobs.parse()?).await,
        _ => bail!("usage: bullmq-rust-peer api | worker | fill JOBS"),
    }
}

/// Waits for SIGTERM or SIGINT.
async fn told_to_end() -> Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
