//! The one route table.

pub(crate) mod catalogue;
mod events;
mod functions;
pub(crate) mod health;
mod jobs;
pub(crate) mod metrics;
mod queues;
mod runs;
pub(crate) mod users;
mod webhooks;

use std::future::{Ready, ready};

use actix_web::{HttpResponse, Resource, Route, guard, web};

use self::queues::{actions, clean, failed, failed_job, failed_jobs, pause, stats};
use crate::http::problem::ApiError;

const READS: &str = "GET, HEAD";

/// Registers every route. What is not here is answered by [`not_found`].
#[rustfmt::skip]
pub(crate) fn routes(table: &mut web::ServiceConfig) {
    table
        .service(at("/api/v1/jobs").route(web::post().to(jobs::submit::submit)).default_service(only("POST")))
        .service(at("/api/v1/jobs/{jobId}").route(get().to(jobs::show::show)).route(web::delete().to(jobs::withdraw::withdraw))
            .default_service(only("GET, HEAD, DELETE")))
        .service(at("/api/v1/users/{userId}/inventory").route(get().to(users::inventory::list)).default_service(only(READS)))
        .service(at("/api/v1/users/{userId}/history").route(get().to(users::history::list)).default_service(only(READS)))
        .service(at("/api/v1/catalogue").route(get().to(catalogue::current)).route(web::put().to(catalogue::publish))
            .default_service(only("GET, HEAD, PUT")))
        .service(at("/api/v1/items/{itemId}").route(get().to(catalogue::item)).default_service(only(READS)))
        .service(at("/api/v1/events").route(get().to(events::list::list)).route(web::post().to(events::send::submit))
            .default_service(only("GET, HEAD, POST")))
        .service(at("/api/v1/events/catalogue").route(get().to(events::catalogue::show)).default_service(only(READS)))
        .service(at("/api/v1/functions").route(get().to(functions::list::list)).default_service(only(READS)))
        .service(at("/api/v1/functions/{functionId}/runs").route(get().to(functions::runs::list)).default_service(only(READS)))
        .service(at("/api/v1/functions/{functionId}/replay").route(web::post().to(functions::replay::replay)).default_service(only("POST")))
        .service(at("/api/v1/functions/{functionId}/pause").route(web::post().to(functions::pause::pause)).default_service(only("POST")))
        .service(at("/api/v1/functions/{functionId}/resume").route(web::post().to(functions::pause::resume)).default_service(only("POST")))
        .service(at("/api/v1/functions/{functionId}/cancel").route(web::post().to(functions::cancel::cancel)).default_service(only("POST")))
        .service(at("/api/v1/runs/{runId}").route(get().to(runs::show)).default_service(only(READS)))
        .service(at("/api/v1/runs/{runId}/retry").route(web::post().to(runs::retry)).default_service(only("POST")))
        .service(at("/api/v1/runs/{runId}/cancel").route(web::post().to(runs::cancel)).default_service(only("POST")))
        .service(at("/api/v1/queues/stats").route(get().to(stats::show)).default_service(only(READS)))
        .service(at("/api/v1/queues/failed").route(get().to(failed::list)).default_service(only(READS)))
        .service(at("/api/v1/queues/failed/retry").route(web::post().to(failed_jobs::retry)).default_service(only("POST")))
        .service(at("/api/v1/queues/failed/remove").route(web::post().to(failed_jobs::remove)).default_service(only("POST")))
        .service(at("/api/v1/queues/failed/{jobId}").route(web::delete().to(failed_job::remove)).default_service(only("DELETE")))
        .service(at("/api/v1/queues/failed/{jobId}/retry").route(web::post().to(failed_job::retry)).default_service(only("POST")))
        .service(at("/api/v1/queues/clean").route(web::post().to(clean::clean)).default_service(only("POST")))
        .service(at("/api/v1/queues/pause").route(web::post().to(pause::pause)).default_service(only("POST")))
        .service(at("/api/v1/queues/resume").route(web::post().to(pause::resume)).default_service(only("POST")))
        .service(at("/api/v1/queues/actions").route(get().to(actions::list)).default_service(only(READS)))
        .service(at("/api/v1/webhooks").route(get().to(webhooks::endpoints::list))
            .route(web::post().to(webhooks::endpoints::add)).default_service(only("GET, HEAD, POST")))
        .service(at("/api/v1/webhooks/{endpointId}").route(get().to(webhooks::endpoint::show))
            .route(web::patch().to(webhooks::endpoint::change)).route(web::delete().to(webhooks::endpoint::remove))
            .default_service(only("GET, HEAD, PATCH, DELETE")))
        .service(at("/api/v1/webhooks/{endpointId}/secret").route(web::post().to(webhooks::secret::rotate)).default_service(only("POST")))
        .service(at("/api/v1/webhooks/{endpointId}/ping").route(web::post().to(webhooks::ping::ping)).default_service(only("POST")))
        .service(at("/api/v1/webhooks/{endpointId}/deliveries").route(get().to(webhooks::deliveries::list)).default_service(only(READS)))
        .service(at("/api/v1/webhooks/{endpointId}/deliveries/{runId}/redeliver").route(web::post().to(webhooks::delivery::redeliver))
            .default_service(only("POST")))
        .service(at("/healthz").route(get().to(health::live)).default_service(only(READS)));
}

/// What tells of the service itself: everything, for those who run it.
pub(crate) fn operations(table: &mut web::ServiceConfig) {
    table
        .service(at("/readyz").route(get().to(health::ready)).default_service(only(READS)))
        .service(at("/metrics").route(get().to(crate::server::metrics::show)).default_service(only(READS)));
}

/// What is left of that at the public address where there is one for operations.
pub(crate) fn bare_readiness(table: &mut web::ServiceConfig) {
    table.service(at("/readyz").route(get().to(health::ready_or_not)).default_service(only(READS)));
}

/// The routes of the address for operations.
pub(crate) fn operations_only(table: &mut web::ServiceConfig) {
    table.service(at("/healthz").route(get().to(health::live)).default_service(only(READS)));
    operations(table);
}

/// Answers what no route takes.
pub(crate) fn not_found() -> Route {
    web::route().to(|| refuse(ApiError::NotFound))
}

/// A resource whose pattern is also the name that the metrics count it by.
fn at(pattern: &'static str) -> Resource {
    web::resource(pattern).name(pattern)
}

/// `HEAD` is answered wherever `GET` is (RFC 9110 section 9.1).
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Answers the methods that a resource does not have.
fn only(allow: &'static str) -> Route {
    web::route().to(move || refuse(ApiError::MethodNotAllowed { allow }))
}

fn refuse(error: ApiError) -> Ready<Result<HttpResponse, ApiError>> {
    ready(Err(error))
}
