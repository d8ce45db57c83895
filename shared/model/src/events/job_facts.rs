//! What the events of jobs have in common.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::JobId;
use crate::operations::Envelope;

/// The job that an event is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobFacts {
    /// The job.
    pub job_id: JobId,
    /// The job's type.
    #[serde(rename = "type")]
    pub job_type: String,
    /// Who submitted it: `role:subject`.
    pub actor: String,
    /// In which HTTP request.
    pub request_id: String,
    /// When the API took it.
    #[schemars(with = "DateTime<Utc>")]
    #[serde(serialize_with = "crate::moment::serialize")]
    pub submitted_at: DateTime<Utc>,
    /// Why, in the submitter's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl JobFacts {
    /// Of a job that is on its way.
    #[must_use]
    pub fn of(envelope: &Envelope) -> Self {
        let Envelope { job_id, job, actor, request_id, submitted_at, .. } = envelope;
        Self {
            job_id: *job_id,
            job_type: job.work.name().to_owned(),
            actor: actor.to_string(),
            request_id: request_id.to_string(),
            submitted_at: *submitted_at,
            reason: job.reason.as_ref().map(ToString::to_string),
        }
    }
}
