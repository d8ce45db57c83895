//! `satchel-api`: the HTTP service as a process of its own, configured by its environment.

use anyhow::Context as _;
use satchel_api::{Config, listen, serve};
use satchel_shared::config::{Env, init_logging};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

// The HTTP threads have runtimes of their own; this one has the connection to Redis and the signals.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut env = Env::process();
    init_logging(&mut env, "info");
    let config = Config::from_env(&mut env);
    env.finish()?;

    let listener = listen(config.address).with_context(|| format!("cannot listen on {}", config.address))?;
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_signal(shutdown.clone())?);
    serve(config, listener, shutdown).await
}

/// SIGTERM and SIGINT ask for a graceful end.
fn cancel_on_signal(shutdown: CancellationToken) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutting down");
        shutdown.cancel();
    })
}
