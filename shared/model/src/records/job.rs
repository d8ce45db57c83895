//! A job that was decided.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::ids::{JobId, UserId};
use crate::operations::PayloadHash;

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// Its changes are in the ledger.
    Applied,
    /// The rules of the game refused it.
    Rejected,
}

impl JobStatus {
    /// `applied` or `rejected`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Rejected => "rejected",
        }
    }

    /// Reads that.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Applied, Self::Rejected].into_iter().find(|status| status.as_str() == text)
    }
}

/// A decided job. Serialises as the job status of HTTP.md "Outcomes".
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRecord {
    /// The job.
    pub job_id: JobId,
    /// The job's type.
    #[serde(rename = "type")]
    pub job_type: Cow<'static, str>,
    /// Whose.
    pub user_id: UserId,
    /// How it ended.
    pub status: JobStatus,
    /// When the API took it.
    #[serde(serialize_with = "crate::moment::serialize")]
    pub submitted_at: DateTime<Utc>,
    /// When it was decided, by the database's clock.
    #[serde(serialize_with = "crate::moment::serialize")]
    pub applied_at: DateTime<Utc>,
    /// How often it was tried.
    pub attempts: i32,
    /// What it answers to the client.
    pub result: Box<RawValue>,
    /// What exactly was asked.
    #[serde(skip)]
    pub payload_hash: PayloadHash,
    /// Who asked, as `role:subject`.
    #[serde(skip)]
    pub actor: String,
    /// In which HTTP request.
    #[serde(skip)]
    pub request_id: String,
}
