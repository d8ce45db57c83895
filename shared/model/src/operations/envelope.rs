//! A job on its way, with all that it is decided by.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Job;
use crate::access::Actor;
use crate::ids::{JobId, ReplicaId, RequestId};

/// A job with all that its application needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The job's id.
    pub job_id: JobId,
    /// The job.
    pub job: Job,
    /// Who submitted it.
    pub actor: Actor,
    /// The HTTP request that submitted it.
    pub request_id: RequestId,
    /// When the API took it, by the API's clock, to the microsecond.
    #[serde(serialize_with = "crate::moment::serialize")]
    pub submitted_at: DateTime<Utc>,
    /// The API replica that waits for the outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<ReplicaId>,
    /// Whether Postgres keeps it in its journal until it is decided.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub journaled: bool,
}

impl Envelope {
    /// It as JSON: what is signed, and what Postgres keeps of a job that waits there.
    #[must_use]
    pub fn body(&self) -> String {
        /// Of most envelopes, in bytes.
        const EXPECTED_BYTES: usize = 512;
        crate::json::text(self, EXPECTED_BYTES)
    }
}
