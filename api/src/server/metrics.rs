//! What the service counts about itself, for Prometheus at `/metrics`.

use std::convert::Infallible;
use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use satchel_tasks::{Backoff, Task};

use crate::http::meters::RequestMeters;
use crate::intake::SubmissionMeters;

const SESSIONS_ENDED: &str = "satchel_api_sessions_ended_total";

/// Upper bounds of the histograms' buckets, in seconds; the last is the longest `Prefer: wait`.
const BUCKETS_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Samples are folded into buckets this often, in seconds; until then each takes memory.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);

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
    RequestMeters::describe();
    SubmissionMeters::describe();
    describe_counter!(SESSIONS_ENDED, "Sessions of the API's login that held locks for too long and were ended");
}

/// Folds samples into buckets.
pub(crate) struct Upkeep(pub(crate) PrometheusHandle);

impl Task for Upkeep {
    const NAME: &'static str = "metrics_upkeep";
    type Error = Infallible;

    async fn round(&mut self) -> Result<Duration, Infallible> {
        self.0.run_upkeep();
        Ok(UPKEEP_EVERY)
    }

    fn backoff(&self) -> Backoff {
        Backoff::constant(UPKEEP_EVERY)
    }
}

/// Counts sessions of the API's login that were ended.
pub(crate) fn count_ended_sessions(sessions: u64) {
    counter!(SESSIONS_ENDED).increment(sessions);
}
