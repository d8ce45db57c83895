//! What every handler may use.

use metrics_exporter_prometheus::PrometheusHandle;
use satchel_shared::envelope::{EnvelopeKey, ReplicaId};
use satchel_shared::queue::Queue;
use satchel_shared::store::Pool;

use crate::auth::Authenticator;
use crate::health::Readiness;
use crate::lookup::Lookup;
use crate::metrics::SubmissionMeters;
use crate::waiting::WaitingRoom;

/// Shared by all HTTP threads.
pub(crate) struct State {
    pub(crate) authenticator: Authenticator,
    pub(crate) pool: Pool,
    /// For jobs with idempotency keys.
    pub(crate) lookup: Lookup,
    pub(crate) queue: Queue,
    /// Signs what goes into the queue.
    pub(crate) envelope_key: EnvelopeKey,
    /// Where workers send the outcomes that somebody here waits for.
    pub(crate) replica: ReplicaId,
    pub(crate) waiting: WaitingRoom,
    pub(crate) readiness: Readiness,
    /// `None` if this process's metrics are served elsewhere.
    pub(crate) metrics: Option<PrometheusHandle>,
    pub(crate) meters: SubmissionMeters,
    /// Whether submissions without an idempotency key are refused.
    pub(crate) requires_idempotency_key: bool,
}
