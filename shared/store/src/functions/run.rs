//! A run as it is stored.

use chrono::{DateTime, Utc};
use satchel_model::ids::{FunctionId, RunId, UserId};
use serde::Serialize;

use crate::parked::failed::Failure;

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// It waits for its turn.
    Queued,
    /// A worker is at it.
    Running,
    /// An attempt failed; there will be another one.
    Retrying,
    /// It waits for a moment, or for a job.
    Sleeping,
    /// It waits for an earlier one of its user.
    Held,
    /// It is done.
    Succeeded,
    /// It failed for good.
    Failed,
    /// An operator has ended it, or its function's policy.
    Cancelled,
}

impl RunStatus {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Running,
        Self::Retrying,
        Self::Sleeping,
        Self::Held,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Those of runs that have not ended. Who ends many of them does so in this order.
    pub const UNFINISHED: [Self; 5] = [Self::Held, Self::Queued, Self::Retrying, Self::Sleeping, Self::Running];

    /// The name, e.g. `queued`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Sleeping => "sleeping",
            Self::Held => "held",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Parses the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// A run, as operators see it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The run.
    pub run_id: RunId,
    /// Of which function.
    pub function_id: FunctionId,
    /// For whom, where the function has several receivers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// The event's id, if the event is still kept.
    pub event_id: Option<String>,
    /// The event's name.
    pub event_name: String,
    /// Whom the event is about.
    pub user_id: UserId,
    /// How it stands.
    pub status: RunStatus,
    /// Whether it was made by a replay.
    pub is_replay: bool,
    /// Attempts begun.
    pub attempts: i32,
    /// The last failures, oldest first.
    pub failures: Vec<Failure>,
    /// Why it was cancelled, if that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_reason: Option<String>,
    /// When it was made.
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub created_at: DateTime<Utc>,
    /// When it is next due, while it waits.
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub due_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub finished_at: Option<DateTime<Utc>>,
}
