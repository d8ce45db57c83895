//! What the events of jobs have in common.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::JobId;

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
}
