//! `satchel-worker`: one worker process, configured by environment.

use anyhow::Context;
use satchel_settings::shutdown;
use satchel_settings::{Env, init_logging};
use satchel_worker::Config;

/// Batches make and drop many small texts at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut env = Env::process();
    init_logging(&mut env, "info");
    let config = Config::from_env(&mut env);
    let functions = satchel_worker::functions(&mut env);
    env.finish()?;
    if let Some(addr) = config.metrics_addr {
        metrics_exporter_prometheus::PrometheusBuilder::new()
            .with_http_listener(addr)
            .install()
            .with_context(|| format!("metrics cannot be served on {addr}"))?;
    }
    satchel_worker::run(config, functions, shutdown::on_signal()?).await
}
