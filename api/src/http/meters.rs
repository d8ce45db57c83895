//! What requests count, for Prometheus.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::Error;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};

const REQUESTS: &str = "satchel_api_requests_total";
const DURATION: &str = "satchel_api_request_duration_seconds";

/// Where a request counts that no route takes.
const NO_ROUTE: &str = "none";

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
    /// Says what the metrics mean; their help text in `/metrics`.
    pub(crate) fn describe() {
        describe_counter!(REQUESTS, "Requests answered, by route, method and status");
        describe_histogram!(DURATION, "Time from a request's head to its answer's head, in seconds");
    }

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
    meters: &Rc<RequestMeters>,
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
