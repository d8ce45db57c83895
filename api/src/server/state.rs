//! What every handler may use.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use satchel_model::envelope::ReplicaId;
use satchel_queue::Queue;
use satchel_security::outbound::Allowed;
use satchel_security::sealing::SealKeys;
use satchel_store::Pool;
use satchel_store::Retention;
use satchel_wire::envelope::EnvelopeKey;

use crate::auth::Authenticator;
use crate::intake::admission::Admission;
use crate::intake::clock::Clock;
use crate::intake::current_catalogue::CurrentCatalogue;
use crate::intake::journaling::Journaling;
use crate::intake::lookup::Lookup;
use crate::intake::undecided::Undecided;
use crate::intake::waiting::WaitingRoom;
use crate::routes::catalogue::Written;
use crate::routes::health::Readiness;
use crate::routes::metrics::Gauges;
use crate::server::metrics::SubmissionMeters;

/// Shared by all HTTP threads.
pub(crate) struct State {
    pub(crate) authenticator: Authenticator,
    /// How many jobs each actor may bring.
    pub(crate) admission: Admission,
    /// How many jobs of each user wait.
    pub(crate) undecided: Undecided,
    pub(crate) pool: Pool,
    /// Whether this machine's clock is right.
    pub(crate) clock: Clock,
    /// What events are checked against.
    pub(crate) catalogue: CurrentCatalogue,
    /// What is answered to those who read it.
    pub(crate) written_catalogue: Written,
    /// For jobs with idempotency keys.
    pub(crate) lookup: Lookup,
    pub(crate) queue: Arc<dyn Queue>,
    /// Whether accepted jobs are kept in the journal until they are decided, or in the queue alone.
    pub(crate) journaling: Journaling,
    /// Signs what goes into the queue.
    pub(crate) envelope_key: EnvelopeKey,
    /// Where workers send the outcomes that somebody here waits for.
    pub(crate) replica: ReplicaId,
    pub(crate) waiting: WaitingRoom,
    pub(crate) readiness: Readiness,
    /// `None` if this process's metrics are served elsewhere.
    pub(crate) metrics: Option<PrometheusHandle>,
    pub(crate) meters: SubmissionMeters,
    /// How much waits, for `/metrics`.
    pub(crate) gauges: Gauges,
    /// Whether submissions without an idempotency key are refused.
    pub(crate) requires_idempotency_key: bool,
    /// What is too old to be kept.
    pub(crate) retention: Retention,
    /// Seals the secrets of webhooks; `None` if no key was given, and then there are none.
    pub(crate) seal_keys: Option<SealKeys>,
    /// Where webhooks may lead to beside the public Internet.
    pub(crate) allowed: Allowed,
}
