//! What the service tells Prometheus.

mod functions;
mod gauges;
pub(super) mod show;

pub(crate) use self::show::Metrics;
