//! `GET /metrics`, in Prometheus's text format.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Data;
use metrics_exporter_prometheus::PrometheusHandle;
use satchel_queue::Queue;
use satchel_store::Pool;

use super::gauges::Gauges;
use crate::auth::Access;
use crate::http::answer::Custom;
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static SHOW: Route = Route {
    method: Method::Get,
    path: "/metrics",
    operation: "showMetrics",
    access: Access::Anyone,
    errors: &[404],
    handler: || handle(show),
};

/// Where they come from.
pub(crate) struct Metrics {
    /// `None` if this process's metrics are served elsewhere.
    handle: Option<PrometheusHandle>,
    gauges: Gauges,
}

impl Metrics {
    /// Those of this process, and of these stores.
    pub(crate) fn new(handle: Option<PrometheusHandle>, pool: Pool, queue: Arc<dyn Queue>) -> Self {
        Self { handle, gauges: Gauges::new(pool, queue) }
    }
}

/// Answers all metrics.
async fn show(metrics: Data<Metrics>) -> Result<Custom<String>, ApiError> {
    let mut text = metrics.handle.as_ref().ok_or(ApiError::NotFound)?.render();
    text.push_str(&metrics.gauges.render().await);
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text).into())
}
