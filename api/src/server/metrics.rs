//! What the service counts about itself, for Prometheus at `/metrics`.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::{Error, HttpResponse, web};
use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use satchel_model::jobs::Work;
use tokio_util::sync::CancellationToken;

use crate::http::problem::ApiError;
use crate::server::state::State;

const REQUESTS: &str = "satchel_api_requests_total";
const DURATION: &str = "satchel_api_request_duration_seconds";
const ACCEPTED: &str = "satchel_api_jobs_accepted_total";
const INVALID: &str = "satchel_api_jobs_invalid_total";
const LIMITED: &str = "satchel_api_jobs_limited_total";
const QUEUE_UNAVAILABLE: &str = "satchel_api_queue_unavailable_total";
const JOURNAL_UNAVAILABLE: &str = "satchel_api_journal_unavailable_total";
const SESSIONS_ENDED: &str = "satchel_api_sessions_ended_total";
const UNFED: &str = "satchel_api_journaled_jobs_unfed_total";

/// Upper bounds of the histograms' buckets, in seconds; the last is the longest `Prefer: wait`.
const BUCKETS_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Samples are folded into buckets this often, in seconds; until then each takes memory.
const UPKEEP_SECONDS: u64 = 1;

/// Where a request counts that no route takes.
const NO_ROUTE: &str = "none";

/// Installs the process's Prometheus recorder, once: later calls give the same handle. `None` if another
/// recorder was there before, whose owner then serves the metrics.
#[must_use]
pub fn install() -> Option<PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let suffix = Matcher::Suffix("_seconds".to_owned());
            let builder = PrometheusBuilder::new().set_buckets_for_metric(suffix, BUCKETS_SECONDS);
            builder.and_then(PrometheusBuilder::install_recorder).ok()
        })
        .clone()
}

/// Says what the metrics mean; their help text in `/metrics`.
pub(crate) fn describe() {
    describe_counter!(REQUESTS, "Requests answered, by route, method and status");
    describe_histogram!(DURATION, "Time from a request's head to its answer's head, in seconds");
    describe_counter!(ACCEPTED, "Jobs that queue or journal took, by type; repetitions under one key included");
    describe_counter!(INVALID, "Jobs refused because they were not valid");
    describe_counter!(LIMITED, "Jobs refused unread because their actor brings more than it may");
    describe_counter!(QUEUE_UNAVAILABLE, "Submissions refused because the queue did not take them");
    describe_counter!(JOURNAL_UNAVAILABLE, "Submissions refused because Postgres did not take them into its journal");
    describe_counter!(SESSIONS_ENDED, "Sessions of the API's login that held locks for too long and were ended");
    describe_counter!(UNFED, "Journaled jobs that the queue did not take at once; workers feed it again");
}

/// Folds samples into buckets until the shutdown.
pub(crate) async fn keep_up(handle: PrometheusHandle, shutdown: CancellationToken) {
    let rounds = async {
        loop {
            tokio::time::sleep(Duration::from_secs(UPKEEP_SECONDS)).await;
            handle.run_upkeep();
        }
    };
    shutdown.run_until_cancelled(rounds).await;
}

/// `GET /metrics`.
pub(crate) async fn show(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let mut metrics = state.metrics.as_ref().ok_or(ApiError::NotFound)?.render();
    metrics.push_str(&state.gauges.render(&state).await);
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(metrics))
}

/// What submissions count. Made once: looking a metric up by name at each use would cost more than the use.
pub(crate) struct SubmissionMeters {
    accepted: Vec<(&'static str, Counter)>,
    pub(crate) invalid: Counter,
    pub(crate) limited: Counter,
    pub(crate) queue_unavailable: Counter,
    pub(crate) journal_unavailable: Counter,
    pub(crate) unfed: Counter,
}

impl SubmissionMeters {
    pub(crate) fn new() -> Self {
        Self {
            accepted: Work::TYPES.iter().map(|name| (*name, counter!(ACCEPTED, "type" => *name))).collect(),
            invalid: counter!(INVALID),
            limited: counter!(LIMITED),
            queue_unavailable: counter!(QUEUE_UNAVAILABLE),
            journal_unavailable: counter!(JOURNAL_UNAVAILABLE),
            unfed: counter!(UNFED),
        }
    }

    pub(crate) fn accepted(&self, job_type: &str) {
        if let Some((_, counter)) = self.accepted.iter().find(|(name, _)| *name == job_type) {
            counter.increment(1);
        }
    }
}

/// Counts sessions of the API's login that were ended.
pub(crate) fn count_ended_sessions(sessions: u64) {
    counter!(SESSIONS_ENDED).increment(sessions);
}

/// What one HTTP thread's requests count, by route, method and status: few combinations, found by looking
/// through them. Routes come from the table and odd methods count as one, so clients cannot make it grow.
#[derive(Default)]
pub(crate) struct RequestMeters(RefCell<Vec<RequestMeter>>);

struct RequestMeter {
    route: Box<str>,
    method: &'static str,
    status: u16,
    requests: Counter,
    duration: Histogram,
}

impl RequestMeters {
    fn record(&self, route: &str, method: &'static str, status: u16, took: Duration) {
        let mut meters = self.0.borrow_mut();
        let fits = |meter: &RequestMeter| meter.status == status && meter.method == method && *meter.route == *route;
        if !meters.iter().any(fits) {
            meters.push(RequestMeter {
                route: route.into(),
                method,
                status,
                requests: counter!(REQUESTS, "route" => route.to_owned(), "method" => method, "status" => status.to_string()),
                duration: histogram!(DURATION, "route" => route.to_owned(), "method" => method),
            });
        }
        if let Some(meter) = meters.iter().find(|meter| fits(meter)) {
            meter.requests.increment(1);
            meter.duration.record(took);
        }
    }
}

/// Middleware that counts and times each request.
pub(crate) fn measure<S>(
    meters: &std::rc::Rc<RequestMeters>,
    request: ServiceRequest,
    next: &S,
) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let meters = meters.clone();
    let start = Instant::now();
    let method = method_label(request.method());
    let answer = next.call(request);
    async move {
        let answer = answer.await?;
        let route = answer.request().match_name().unwrap_or(NO_ROUTE);
        meters.record(route, method, answer.status().as_u16(), start.elapsed());
        Ok(answer)
    }
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
