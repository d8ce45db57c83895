//! A job that Postgres keeps because it is not decided yet: parked, blocked, or in the journal.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use satchel_model::ids::{JobId, UserId};
use satchel_model::operations::PayloadHash;
use satchel_model::operations::Priority;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::stored::{self, Unreadable};

/// What an undecided job waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitingStatus {
    /// Its turn.
    Queued,
    /// Its next attempt.
    Retrying,
    /// An operator.
    Parked,
}

/// What is known of a job before it is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingJob {
    /// The job.
    pub job_id: JobId,
    /// The job's type.
    pub job_type: String,
    /// Whose.
    pub user_id: UserId,
    /// What it waits for.
    pub status: WaitingStatus,
    /// When the API took it.
    pub submitted_at: DateTime<Utc>,
    /// Until when it is to wait, at least.
    pub not_before: Option<DateTime<Utc>>,
    /// Whether it may overtake others.
    pub priority: Priority,
    /// Attempts that failed.
    pub attempts: i32,
    /// Who asked, as `role:subject`.
    pub actor: String,
    /// What exactly was asked.
    pub payload_hash: PayloadHash,
}

pub(super) struct Row {
    pub(super) job_id: Uuid,
    pub(super) job_type: String,
    pub(super) user_id: String,
    pub(super) state: String,
    pub(super) submitted_at: DateTime<Utc>,
    /// The envelope. Nothing says here that it is one: what cannot be read of it is not told.
    pub(super) body: String,
    pub(super) attempts: i32,
    pub(super) actor: String,
    pub(super) payload_hash: Vec<u8>,
}

/// What an envelope says of when its job is to be applied.
#[derive(Default, Deserialize)]
struct Glance {
    job: GlanceAtJob,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GlanceAtJob {
    not_before: Option<DateTime<Utc>>,
    priority: Priority,
}

impl TryFrom<Row> for WaitingJob {
    type Error = Unreadable;

    fn try_from(row: Row) -> Result<Self, Unreadable> {
        let Glance { job } = serde_json::from_str(&row.body).unwrap_or_default();
        Ok(Self {
            job_id: row.job_id.into(),
            job_type: row.job_type,
            user_id: stored::user_id(&row.user_id)?,
            status: match row.state.as_str() {
                "blocked" => WaitingStatus::Queued,
                "retrying" => WaitingStatus::Retrying,
                "parked" => WaitingStatus::Parked,
                other => return Err(Unreadable::new("state", other)),
            },
            submitted_at: row.submitted_at,
            not_before: job.not_before,
            priority: job.priority,
            attempts: row.attempts,
            actor: row.actor,
            payload_hash: stored::payload_hash(&row.payload_hash)?,
        })
    }
}

/// The rows by their jobs' ids.
pub(super) fn by_job_id(rows: Vec<Row>) -> Result<HashMap<JobId, WaitingJob>, Unreadable> {
    rows.into_iter().map(|row| WaitingJob::try_from(row).map(|job| (job.job_id, job))).collect()
}
