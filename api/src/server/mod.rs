//! Brings the service up, answers until the shutdown, and goes down without dropping a request.

mod background;
mod components;
mod doorway;
pub(crate) mod metrics;
mod startup;
mod stuck_sessions;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use anyhow::Context as _;
use satchel_model::ids::ReplicaId;
use satchel_store::{Pool, stuck};
use satchel_wire::Fresh;
use tokio_util::sync::CancellationToken;

use self::background::Background;
use self::components::Components;
use self::doorway::Doorway;
use self::stuck_sessions::StuckSessions;
use crate::auth::Authenticator;
use crate::config::Config;
use crate::http::connections::Connections;
use crate::intake::admission::Admission;
use crate::intake::clock::Clock;
use crate::intake::current_catalogue::CurrentCatalogue;
use crate::intake::journaling::Journaling;
use crate::intake::lookup::Lookup;
use crate::intake::undecided::Undecided;
use crate::intake::waiting::WaitingRoom;
use crate::intake::{Feed, Intake, Journal, SubmissionMeters};
use crate::routes::{Jobs, Metrics, Readiness, Sealing, UnseenSettings};

pub use self::doorway::listen;

/// Journaled jobs have so long at the shutdown to get into the queue, in milliseconds.
const FEED_GRACE_MS: u64 = 2_000;

/// Serves HTTP on `listener` until `shutdown` is cancelled, then finishes the requests in flight.
///
/// # Errors
/// If Postgres or its schema is not there within half a minute, or a setting cannot be used.
pub async fn serve(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    // First of all: what is counted before goes nowhere.
    let handle = config.metrics.clone().or_else(metrics::install);
    metrics::describe();
    let (pool, clock) = (Pool::new(&config.database).context("DATABASE_URL")?, Arc::new(Clock::new()));
    let schema = startup::wait_for_schema(&pool, &clock);
    let Some(installation) = shutdown.run_until_cancelled(schema).await.transpose()? else { return Ok(()) };
    startup::check_login(&config, &pool).await?;
    let (queue, unseen) =
        (satchel_queue::open(&config.queue, &installation).context("REDIS_URL")?, UnseenSettings::default());
    startup::tell_durability(&*queue, config.journal, &unseen).await?;
    startup::reseal(&config, &pool).await?;

    let (envelope_key, replica) = (config.envelope_key.of_installation(&installation), ReplicaId::random());
    let meters = SubmissionMeters::new();
    let (feed, feeding) = Feed::start(config.journal, queue.clone(), envelope_key.clone(), meters.unfed.clone());
    let journal = Journal::start(pool.clone(), installation.shards, envelope_key.clone(), feed);
    let journaling = Arc::new(Journaling::new(replica, config.journal, journal));
    let Some(()) = shutdown.run_until_cancelled(journaling.begin(&pool)).await.transpose()? else { return Ok(()) };

    let catalogue = Arc::new(CurrentCatalogue::new(pool.clone()));
    let intake = Intake {
        admission: Admission::new(config.rates),
        undecided: Undecided::new(config.undecided, installation.shards),
        catalogue: catalogue.clone(),
        lookup: Lookup::start(pool.clone()),
        queue: queue.clone(),
        journaling: journaling.clone(),
        envelope_key,
        replica,
        waiting: WaitingRoom::new(shutdown.clone()),
        meters,
        requires_idempotency_key: config.requires_idempotency_key,
    };
    let components = Components {
        authenticator: Data::new(Authenticator::new(config.token_keys, config.credentials, pool.clone())),
        intake: Data::new(intake),
        jobs: Data::new(Jobs::new(pool.clone(), queue.clone(), journaling.clone())),
        readiness: Data::new(Readiness::new(pool.clone(), queue.clone(), journaling, clock.clone(), unseen)),
        metrics: Data::new(Metrics::new(handle.clone(), pool.clone(), queue.clone())),
        pool: Data::new(pool.clone()),
        queue: Data::from(queue),
        clock: Data::from(clock),
        catalogue: Data::from(catalogue),
        written_catalogue: Data::default(),
        retention: Data::new(config.retention),
        sealing: Data::new(Sealing::new(config.seal_keys)),
        allowed: Data::new(config.allowed),
    };
    let stuck_sessions = StuckSessions { session: stuck::session(&config.database)?, limit: config.transaction_limit };
    let background = Background::start(&components, config.key_source, stuck_sessions, handle);

    tracing::info!(address = %listener.local_addr()?, threads = config.threads, "serving");
    let doorway = Doorway {
        threads: config.threads,
        cors_origins: config.cors_origins,
        bodies: Data::new(config.bodies),
        stall: config.connections.stall,
        connections: Connections::new(config.connections),
    };
    let served = doorway::serve(components, listener, config.operations_address, doorway, shutdown).await?;
    background.end().await?;
    if let Some(feeding) = feeding {
        // What does not get into the queue any more, workers feed it.
        let _ = tokio::time::timeout(Duration::from_millis(FEED_GRACE_MS), feeding).await;
    }
    pool.close().await;
    served.context("the HTTP server")
}
