//! The HTTP servers: the public one, and the one for operations.

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use anyhow::Context as _;
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;

use super::components::Components;
use crate::http::answer_headers;
use crate::http::body::budget::BodyBudget;
use crate::http::connections::Connections;
use crate::http::cors::{self, CorsOrigins};
use crate::http::meters::{self, RequestMeters};
use crate::http::pace;
use crate::http::pipelining;
use crate::http::request_id;
use crate::routes::{self, Reader, Route};

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

/// Serves until the shutdown: with an address for operations, what tells of the service itself is served there.
///
/// # Errors
/// If that address cannot be bound, or a server fails.
pub(super) async fn serve(
    components: Components,
    listener: TcpListener,
    operations: Option<SocketAddr>,
    doorway: Doorway,
    shutdown: CancellationToken,
) -> anyhow::Result<std::io::Result<()>> {
    let Some(address) = operations else {
        return Ok(serve_public(components, listener, doorway, shutdown, routes::OPERATIONS).await);
    };
    let beside = listen(address).with_context(|| format!("SATCHEL_API_OPS_ADDR: cannot listen on {address}"))?;
    let public = serve_public(components.clone(), listener, doorway, shutdown.clone(), routes::BARE_READINESS);
    Ok(tokio::try_join!(public, serve_operations(components, beside, shutdown)).map(|((), ())| ()))
}

/// How the public may come in.
pub(super) struct Doorway {
    pub(super) threads: usize,
    pub(super) cors_origins: CorsOrigins,
    /// What bodies that are being read may take.
    pub(super) bodies: web::Data<BodyBudget>,
    pub(super) connections: Arc<Connections>,
    /// How long a client may take nothing of an answer.
    pub(super) stall: Duration,
}

async fn serve_public(
    components: Components,
    listener: TcpListener,
    doorway: Doorway,
    shutdown: CancellationToken,
    about_itself: &'static [&'static Route],
) -> std::io::Result<()> {
    let Doorway { threads, cors_origins, bodies, connections, stall } = doorway;
    HttpServer::new(move || {
        let meters = Rc::new(RequestMeters::default());
        App::new()
            .configure(|app| components.add_to(app))
            .app_data(bodies.clone())
            .app_data(web::Data::new(Reader::start(&components.pool)))
            .configure(|app| routes::register(app, routes::TABLE))
            .configure(|app| routes::register(app, about_itself))
            .default_service(routes::not_found())
            .wrap(cors_origins.middleware())
            .wrap_fn(cors::boxed)
            .wrap_fn(move |request, next| meters::measure(&meters, request, next))
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
    components: Components,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    HttpServer::new(move || {
        App::new()
            .configure(|app| components.add_to(app))
            .configure(|app| routes::register(app, routes::LIVENESS))
            .configure(|app| routes::register(app, routes::OPERATIONS))
            .default_service(routes::not_found())
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
