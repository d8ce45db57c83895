//! Brings the service up, answers until the shutdown, and goes down without dropping a request.

mod background;
pub(crate) mod metrics;
pub(crate) mod state;

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{App, HttpServer, web};
use anyhow::{Context as _, bail};
use satchel_model::envelope::ReplicaId;
use satchel_model::installation::Installation;
use satchel_queue::{Queue, QueueError};
use satchel_store::{Pool, Program, StoreError, stuck, webhooks};
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;

use self::background::Background;
use self::metrics::{RequestMeters, SubmissionMeters};
use self::state::State;
use crate::auth::Authenticator;
use crate::config::{Config, JournalMode};
use crate::http::answer_headers;
use crate::http::body::budget::BodyBudget;
use crate::http::connections::Connections;
use crate::http::cors::{self, CorsOrigins};
use crate::http::pace;
use crate::http::pipelining;
use crate::http::request_id;
use crate::intake::admission::Admission;
use crate::intake::clock::Clock;
use crate::intake::current_catalogue::CurrentCatalogue;
use crate::intake::journaling::Journaling;
use crate::intake::lookup::Lookup;
use crate::intake::undecided::Undecided;
use crate::intake::waiting::WaitingRoom;
use crate::intake::{Feed, Journal};
use crate::routes::catalogue::Written;
use crate::routes::health::{self, Readiness};
use crate::routes::metrics::Gauges;
use crate::routes::users::Reader;
use crate::routes::{bare_readiness, not_found, operations, operations_only, routes};

/// How long to wait at start for Postgres and its schema, in seconds.
const START_PATIENCE_SECONDS: u64 = 30;
/// How often to look, in milliseconds.
const START_RETRY_MS: u64 = 500;

/// The most connections per HTTP thread; more wait in the listener's backlog.
const MAX_CONNECTIONS_PER_THREAD: usize = 10_000;
/// The most connections at the address for operations.
const MAX_OPERATIONS_CONNECTIONS: usize = 64;
/// The most connections that wait to be taken.
const MAX_BACKLOG: u32 = 2_048;
/// An idle connection is closed after so long, in seconds.
const KEEP_ALIVE_SECONDS: u64 = 60;
/// A request's head must be here within this time, in seconds.
const HEAD_DEADLINE_SECONDS: u64 = 5;
/// How long a client may take to close a connection that is being shut, in seconds.
const DISCONNECT_DEADLINE_SECONDS: u64 = 2;
/// Requests in flight at the shutdown have so long to be answered, in seconds.
const SHUTDOWN_GRACE_SECONDS: u64 = 10;
/// Journaled jobs have so long at the shutdown to get into the queue, in milliseconds.
const FEED_GRACE_MS: u64 = 2_000;

/// Opens the listening socket, with a longer backlog than the standard library would give it.
///
/// # Errors
/// If the address cannot be bound, e.g. because it is in use.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(MAX_BACKLOG)?.into_std()
}

/// Serves HTTP on `listener` until `shutdown` is cancelled, then finishes the requests in flight.
///
/// # Errors
/// If Postgres or its schema is not there within half a minute, or a setting cannot be used.
pub async fn serve(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let handle = config.metrics.or_else(metrics::install);
    metrics::describe();
    let pool = Pool::new(&config.database).context("DATABASE_URL")?;
    let clock = Clock::new();
    let Some(installation) = shutdown.run_until_cancelled(wait_for_schema(&pool, &clock)).await.transpose()? else {
        return Ok(());
    };
    if !config.allows_owner_login
        && let Some(excess) = pool.excess_of_login(Program::Api).await?
    {
        bail!("DATABASE_URL: its login {excess}: log in as satchel_api (see `satchel migrate`)");
    }
    let queue = satchel_queue::open(&config.queue, &installation).context("REDIS_URL")?;
    let readiness = Readiness::default();
    tell_durability(queue.as_ref(), config.journal, &readiness).await?;

    if let Some(keys) = &config.seal_keys {
        let resealed = webhooks::reseal(&pool, keys).await.context("the secrets of webhooks")?;
        if resealed > 0 {
            tracing::info!(resealed, "secrets of webhooks are sealed by the current key now");
        }
    }
    let envelope_key = config.envelope_key.of_installation(&installation);
    let meters = SubmissionMeters::new();
    let replica = ReplicaId::random();
    let (feed, feeding) = Feed::start(config.journal, queue.clone(), envelope_key.clone(), meters.unfed.clone());
    let journal = Journal::start(pool.clone(), installation.shards, envelope_key.clone(), feed);
    let journaling = Journaling::new(replica, config.journal, journal);
    let Some(()) = shutdown.run_until_cancelled(journaling.begin(&pool)).await.transpose()? else { return Ok(()) };
    let state = web::Data::new(State {
        authenticator: Authenticator::new(config.token_keys, config.credentials, pool.clone()),
        admission: Admission::new(config.rates),
        undecided: Undecided::new(config.undecided, installation.shards),
        catalogue: CurrentCatalogue::new(pool.clone()),
        written_catalogue: Written::default(),
        lookup: Lookup::start(pool.clone()),
        pool: pool.clone(),
        clock,
        queue,
        journaling,
        envelope_key,
        replica,
        waiting: WaitingRoom::new(shutdown.clone()),
        readiness,
        metrics: handle.clone(),
        meters,
        gauges: Gauges::default(),
        requires_idempotency_key: config.requires_idempotency_key,
        retention: config.retention,
        seal_keys: config.seal_keys,
        allowed: config.allowed,
    });

    let ending_stuck = stuck::session(&config.database)?;
    let mut background = Background::start(&state, config.key_source, handle);
    background.end_stuck_sessions(ending_stuck, config.transaction_limit);

    tracing::info!(address = %listener.local_addr()?, threads = config.threads, "serving");
    let doorway = Doorway {
        threads: config.threads,
        cors_origins: config.cors_origins,
        bodies: web::Data::new(config.bodies),
        stall: config.connections.stall,
        connections: Connections::new(config.connections),
    };
    let served = match config.operations_address {
        None => run(state, listener, doorway, shutdown, operations).await,
        Some(address) => {
            let beside =
                listen(address).with_context(|| format!("SATCHEL_API_OPS_ADDR: cannot listen on {address}"))?;
            let public = run(state.clone(), listener, doorway, shutdown.clone(), bare_readiness);
            tokio::try_join!(public, serve_operations(state, beside, shutdown)).map(|((), ())| ())
        }
    };
    background.end().await?;
    if let Some(feeding) = feeding {
        // What does not get into the queue any more, workers feed it.
        let _ = tokio::time::timeout(Duration::from_millis(FEED_GRACE_MS), feeding).await;
    }
    pool.close().await;
    served.context("the HTTP server")
}

/// How the public may come in.
struct Doorway {
    threads: usize,
    cors_origins: CorsOrigins,
    /// What bodies that are being read may take.
    bodies: web::Data<BodyBudget>,
    connections: Arc<Connections>,
    /// How long a client may take nothing of an answer.
    stall: Duration,
}

async fn run(
    state: web::Data<State>,
    listener: TcpListener,
    doorway: Doorway,
    shutdown: CancellationToken,
    about_itself: fn(&mut web::ServiceConfig),
) -> std::io::Result<()> {
    let Doorway { threads, cors_origins, bodies, connections, stall } = doorway;
    HttpServer::new(move || {
        let meters = Rc::new(RequestMeters::default());
        App::new()
            .app_data(state.clone())
            .app_data(bodies.clone())
            .app_data(web::Data::new(Reader::start(&state.pool)))
            .configure(routes)
            .configure(about_itself)
            .default_service(not_found())
            .wrap(cors_origins.middleware())
            .wrap_fn(cors::boxed)
            .wrap_fn(move |request, next| metrics::measure(&meters, request, next))
            .wrap_fn(answer_headers::add)
            .wrap_fn(request_id::tag)
            .wrap_fn(move |request, next| pace::keep(stall, request, next))
            .wrap_fn(pipelining::guard)
    })
    .on_connect(move |io, data| {
        connections.open(io, data);
        pipelining::open(data);
    })
    .workers(threads)
    .max_connections(MAX_CONNECTIONS_PER_THREAD)
    .keep_alive(Duration::from_secs(KEEP_ALIVE_SECONDS))
    .client_request_timeout(Duration::from_secs(HEAD_DEADLINE_SECONDS))
    .client_disconnect_timeout(Duration::from_secs(DISCONNECT_DEADLINE_SECONDS))
    .tcp_nodelay(true)
    .shutdown_timeout(SHUTDOWN_GRACE_SECONDS)
    .shutdown_signal(shutdown.cancelled_owned())
    .listen(listener)?
    .run()
    .await
}

/// Serves what is for those who run the service, on one thread.
async fn serve_operations(
    state: web::Data<State>,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .configure(operations_only)
            .default_service(not_found())
            .wrap_fn(answer_headers::add)
            .wrap_fn(request_id::tag)
    })
    .workers(1)
    .max_connections(MAX_OPERATIONS_CONNECTIONS)
    .keep_alive(Duration::from_secs(KEEP_ALIVE_SECONDS))
    .client_request_timeout(Duration::from_secs(HEAD_DEADLINE_SECONDS))
    .shutdown_timeout(SHUTDOWN_GRACE_SECONDS)
    .shutdown_signal(shutdown.cancelled_owned())
    .listen(listener)?
    .run()
    .await
}

/// Waits until Postgres answers and was migrated; both may come up after the service.
async fn wait_for_schema(pool: &Pool, clock: &Clock) -> anyhow::Result<Installation> {
    let patience = Duration::from_secs(START_PATIENCE_SECONDS);
    let start = Instant::now();
    let mut told = false;
    loop {
        match first_answers(pool, clock).await {
            Ok(installation) => return Ok(installation),
            Err(error) if start.elapsed() >= patience => {
                return Err(error).context(format!("the database was not ready within {START_PATIENCE_SECONDS} s"));
            }
            Err(error) if !told => {
                tracing::warn!(%error, "waiting for the database");
                told = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(START_RETRY_MS)).await;
    }
}

/// What must be known before anything is taken.
async fn first_answers(pool: &Pool, clock: &Clock) -> Result<Installation, StoreError> {
    let installation = pool.installation().await?;
    clock.measure(pool).await?;
    Ok(installation)
}

/// Says at start what readiness shows later. Redis may come up after the service.
async fn tell_durability(queue: &dyn Queue, journal: JournalMode, readiness: &Readiness) -> Result<(), QueueError> {
    match queue.durability().await {
        Ok(durability) => {
            readiness.tell_unseen(&durability);
            for warning in health::warnings(&durability, journal) {
                tracing::warn!("{warning}");
            }
        }
        Err(error @ QueueError::Foreign(_)) => return Err(error),
        Err(error) => match journal {
            JournalMode::None => tracing::warn!(%error, "jobs are refused until the queue is there"),
            JournalMode::Postgres => tracing::warn!(%error, "jobs wait in the journal until the queue is there"),
        },
    }
    Ok(())
}
