//! What is known of a job.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use satchel_model::ids::{JobId, UserId};
use satchel_model::operations::PayloadHash;
use satchel_model::operations::Priority;
use satchel_model::records::JobRecord;
use satchel_queue::{Pending, Queue};
use satchel_store::jobs;
use satchel_store::waiting::{WaitingJob, WaitingStatus};
use satchel_store::{Pool, StoreError, journal, parked};
use serde::Serialize;

use crate::http::deadline;
use crate::http::problem::ApiError;
use crate::intake::journaling::Journaling;
use crate::intake::lookup;

/// A job's status document.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum JobStatus {
    Decided(JobRecord),
    Undecided(Undecided),
}

/// The status document of a job that is not decided yet.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Undecided {
    job_id: JobId,
    #[serde(rename = "type")]
    pub(crate) job_type: String,
    pub(crate) user_id: UserId,
    status: WaitingStatus,
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub(crate) submitted_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "satchel_model::moment::serialize")]
    pub(crate) not_before: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Priority::is_normal")]
    priority: Priority,
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    applied_at: Option<DateTime<Utc>>,
    attempts: i32,
    result: Option<()>,
    #[serde(skip)]
    pub(crate) actor: String,
    /// Whether it is known to be quiet: what Postgres keeps says so itself.
    #[serde(skip)]
    pub(crate) is_quiet: bool,
    /// What exactly was asked, where it is known.
    #[serde(skip)]
    pub(crate) payload_hash: Option<PayloadHash>,
}

/// Where jobs are, in whatever store.
pub(crate) struct Jobs {
    pool: Pool,
    queue: Arc<dyn Queue>,
    journaling: Arc<Journaling>,
}

impl Jobs {
    /// Jobs in these stores.
    pub(crate) fn new(pool: Pool, queue: Arc<dyn Queue>, journaling: Arc<Journaling>) -> Self {
        Self { pool, queue, journaling }
    }

    /// What is known of a job, wherever it is.
    ///
    /// # Errors
    /// 503 if a store that must be asked is away.
    pub(crate) async fn find(&self, job_id: JobId) -> Result<Option<JobStatus>, ApiError> {
        let pool = &self.pool;
        // What most questions are about comes first.
        if let Some(record) = deadline::answer(jobs::find(pool, job_id)).await? {
            return Ok(Some(JobStatus::Decided(record)));
        }
        if let Some(job) = deadline::answer(find_parked(pool, job_id)).await? {
            return Ok(Some(job.into()));
        }
        if self.journaling.journal().is_some()
            && let Some(job) = deadline::answer(journaled(pool, job_id)).await?
        {
            return Ok(Some(job.into()));
        }
        if let Some(pending) = self.queue.pending(job_id).await? {
            return Ok(Some(pending.into()));
        }
        // Between two looks it may have gone on, but only this way.
        if let Some(job) = deadline::answer(journaled(pool, job_id)).await? {
            return Ok(Some(job.into()));
        }
        if let Some(job) = deadline::answer(find_parked(pool, job_id)).await? {
            return Ok(Some(job.into()));
        }
        Ok(deadline::answer(jobs::find(pool, job_id)).await?.map(JobStatus::Decided))
    }
}

impl JobStatus {
    /// Whose job it is.
    pub(crate) fn owner(&self) -> &UserId {
        match self {
            Self::Decided(record) => &record.user_id,
            Self::Undecided(job) => &job.user_id,
        }
    }

    /// Who submitted it, as `role:subject`.
    pub(crate) fn submitter(&self) -> &str {
        match self {
            Self::Decided(record) => &record.actor,
            Self::Undecided(job) => &job.actor,
        }
    }

    /// The status itself.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Decided(record) => record.status.as_str(),
            Self::Undecided(job) => lookup::status_name(job.status),
        }
    }
}

async fn find_parked(pool: &Pool, job_id: JobId) -> Result<Option<WaitingJob>, StoreError> {
    Ok(parked::find_many(pool, &[job_id]).await?.remove(&job_id))
}

async fn journaled(pool: &Pool, job_id: JobId) -> Result<Option<WaitingJob>, StoreError> {
    Ok(journal::find_many(pool, &[job_id]).await?.remove(&job_id))
}

impl From<WaitingJob> for JobStatus {
    fn from(job: WaitingJob) -> Self {
        Self::Undecided(Undecided {
            job_id: job.job_id,
            job_type: job.job_type,
            user_id: job.user_id,
            status: job.status,
            submitted_at: job.submitted_at,
            not_before: job.not_before,
            priority: job.priority,
            applied_at: None,
            attempts: job.attempts,
            result: None,
            actor: job.actor,
            payload_hash: Some(job.payload_hash),
            is_quiet: false,
        })
    }
}

impl From<Pending> for JobStatus {
    fn from(pending: Pending) -> Self {
        Self::Undecided(Undecided {
            payload_hash: pending.payload_hash(),
            is_quiet: pending.quiet,
            job_id: pending.job_id,
            job_type: pending.job_type,
            user_id: pending.user_id,
            status: WaitingStatus::Queued,
            submitted_at: pending.submitted_at,
            not_before: pending.not_before,
            priority: pending.priority,
            applied_at: None,
            attempts: 0,
            result: None,
            actor: pending.actor,
        })
    }
}
