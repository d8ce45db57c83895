//! `satchel dev`: the whole service on one machine, with nothing to set up.
//!
//! API and workers run inside this process, private Postgres and Redis beside it. What goes up comes down in the
//! opposite order: the API stops taking jobs, the workers finish their batches, then Redis and Postgres stop.

mod directory;
mod service;
mod settings;
mod stores;
mod tour;

use std::future::Future;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Result, anyhow, ensure};
use clap::{Args, ValueEnum};
use satchel_queue::MemoryStore;
use satchel_settings::shutdown;
use tokio_util::sync::CancellationToken;

use self::directory::DataDir;
use self::service::{Configs, Service};
use self::stores::Stores;
use crate::environment::Environment;
use crate::{catalogue, migrate};

const MAX_WORKERS: u16 = 64;

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// Where the private servers keep their data, and settings and secrets are kept in `dev.env`.
    #[arg(long, value_name = "DIR", default_value = ".satchel")]
    data_dir: PathBuf,
    /// The port of the API; 0 for any free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The address that the API listens on.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// How many workers apply jobs. With 0, jobs wait for a satchel-worker that is run with the settings of dev.env.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=i64::from(MAX_WORKERS)))]
    workers: u16,
    /// Where accepted jobs wait to be applied.
    #[arg(long, value_name = "WHERE", value_enum, default_value_t, env = "SATCHEL_QUEUE")]
    queue: QueueKind,
}

/// Which queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum QueueKind {
    /// In Redis: that of `REDIS_URL`, else a private one. Keeps what was accepted.
    #[default]
    Redis,
    /// In this process: needs no Redis, and forgets on exit what waits. For development and tests.
    Memory,
}

impl QueueKind {
    /// A queue of our own instead of the one that the environment names.
    fn own(self) -> Option<satchel_queue::Config> {
        (self == Self::Memory).then(|| satchel_queue::Config::Memory(MemoryStore::default()))
    }
}

/// Runs everything until it is told to stop or a part of it ends.
pub(crate) async fn run(args: DevArgs) -> Result<()> {
    let stop = shutdown::on_signal()?;
    ensure!(
        args.queue == QueueKind::Redis || args.workers > 0,
        "with --queue memory the workers are in this process: give at least --workers 1"
    );
    let directory = DataDir::open(&args.data_dir)?;
    let listener = listen(SocketAddr::new(args.bind, args.port))?;
    let address = listener.local_addr()?;
    let mut environment = settings::prepare(&directory)?;
    environment.set("SATCHEL_API_ADDR", address.to_string());
    Configs::check(&environment)?;

    let needs_redis = args.queue == QueueKind::Redis;
    let Some(stores) = unless(&stop, Stores::start(directory.path().to_path_buf(), environment, needs_redis)).await
    else {
        return Ok(());
    };
    let (mut stores, environment) = stores?;
    let result = serve(&args, &directory, listener, &mut stores, &environment, &stop).await;
    stores.stop();
    result
}

/// Everything between the start and the stop of the stores.
async fn serve(
    args: &DevArgs,
    directory: &DataDir,
    listener: TcpListener,
    stores: &mut Stores,
    environment: &Environment,
    stop: &CancellationToken,
) -> Result<()> {
    let url = tour::url(listener.local_addr()?);
    let configs = Configs::read(environment, args.queue.own())?;
    settings::write(directory, environment)?;
    let prepared = unless(stop, async {
        migrate::migrate(environment, None).await?;
        catalogue::publish_sample(environment).await
    });
    let Some(prepared) = prepared.await else { return Ok(()) };
    prepared?;

    let mut service = Service::start(configs, listener, args.workers)?;
    let result = tokio::select! {
        result = run_ready(&url, environment) => result,
        failure = service.failed() => Err(failure),
        failure = stores.failed() => Err(failure),
        () = stop.cancelled() => Ok(()),
    };
    service.stop().await;
    result
}

/// Says when the service is ready, and then only waits.
async fn run_ready(url: &str, environment: &Environment) -> Result<()> {
    tour::wait_ready(url).await?;
    tour::print(url, environment)?;
    std::future::pending().await
}

/// Takes the API's port, before anything else is started.
fn listen(address: SocketAddr) -> Result<TcpListener> {
    satchel_api::listen(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow!("port {} of {} is in use: choose another --port", address.port(), address.ip()),
        _ => anyhow!("cannot listen on {address}: {error}"),
    })
}

/// The outcome of `work`, or nothing if we are told to stop first.
async fn unless<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = stop.cancelled() => None,
    }
}
