//! `satchel-api`: the HTTP service as a process of its own, configured by its environment.

use anyhow::Context as _;
use satchel_api::{Config, listen, serve};
use satchel_settings::shutdown;
use satchel_settings::{Env, init_logging};

/// Not what the HTTP library says of its own start, nor a line for each connection that sends no HTTP.
const DEFAULT_LOG_FILTER: &str = "info,actix_server=warn,actix_http=off";

/// Requests make and drop many small texts at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// The HTTP threads have runtimes of their own; this one has the connection to Redis and the signals.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut env = Env::process();
    init_logging(&mut env, DEFAULT_LOG_FILTER);
    let config = Config::from_env(&mut env);
    env.finish()?;

    let listener = listen(config.address).with_context(|| format!("cannot listen on {}", config.address))?;
    serve(config, listener, shutdown::on_signal()?).await
}
