//! Telling the API replica that waits how a job ended.
//!
//! Messages are signed like envelopes: whoever can write to Redis must not be able to tell a client that a job
//! was applied. They may be lost; the API then finds the outcome in Postgres.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use satchel_model::ids::{JobId, RequestId};
use satchel_model::json::raw;
use satchel_wire::envelope::EnvelopeKey;

/// How a job ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The job.
    pub job_id: JobId,
    /// The request that waits: two may have submitted under the same id.
    pub request_id: RequestId,
    /// Its status document, as `GET /jobs/{jobId}` shows it.
    pub document: Box<RawValue>,
}

/// One signed message with all outcomes that a replica waits for.
pub(super) fn seal(key: &EnvelopeKey, outcomes: &[Outcome]) -> Vec<u8> {
    key.sign_message(raw(&outcomes).get().as_bytes())
}

/// The outcomes of a message; none, with a warning, if no worker signed it.
pub(super) fn open(key: &EnvelopeKey, message: &[u8]) -> Vec<Outcome> {
    let outcomes = key.open_message(message).and_then(|body| serde_json::from_slice(body).ok());
    if outcomes.is_none() {
        tracing::warn!("an outcome message that is not signed by a worker was passed over");
    }
    outcomes.unwrap_or_default()
}
