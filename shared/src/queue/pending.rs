//! Jobs that were accepted and are not decided yet.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use redis::{Pipeline, Value};
use serde::{Deserialize, Serialize};

use super::entry::bytes;
use super::{Queue, QueueError, keys};
use crate::domain::{JobId, MAX_JOB_AGE_DAYS, ShardCount, UserId};
use crate::envelope::Envelope;

/// How long a queued job's record is kept that nobody removes: as long as the job may wait.
const QUEUED_TTL_SECONDS: u64 = MAX_JOB_AGE_DAYS as u64 * 24 * 60 * 60;
/// How long an id stays claimed whose job did not come: longer than a submission can take.
const CLAIM_TTL_SECONDS: u64 = 60;

/// What is known of a job before it is decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// The job.
    pub job_id: JobId,
    /// Whose.
    pub user_id: UserId,
    /// The job's type.
    #[serde(rename = "type")]
    pub job_type: String,
    /// When the API took it.
    pub submitted_at: DateTime<Utc>,
    /// Who submitted it: `role:subject`.
    pub actor: String,
    /// SHA-256 of the job's canonical form, as hexadecimal digits.
    payload_hash: String,
    /// Whether it went into the queue, or its id was only claimed.
    is_queued: bool,
}

/// What came of claiming a job id for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It was free.
    New,
    /// The same job has it.
    Same,
    /// Another job has it.
    Other,
}

impl Pending {
    /// The record of an envelope.
    #[must_use]
    pub fn of(envelope: &Envelope) -> Self {
        Self {
            job_id: envelope.job_id,
            user_id: envelope.job.user_id.clone(),
            job_type: envelope.job.work.type_name().to_owned(),
            submitted_at: envelope.submitted_at,
            actor: envelope.actor.to_string(),
            payload_hash: hex::encode(envelope.job.payload_hash().0),
            is_queued: false,
        }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    fn is_same_job(&self, other: &Self) -> bool {
        self.user_id == other.user_id && self.payload_hash == other.payload_hash
    }

    /// Adds the record of a job that is being queued to a pipeline.
    pub(super) fn set_queued(mut self, shards: ShardCount, pipeline: &mut Pipeline) {
        self.is_queued = true;
        self.set(QUEUED_TTL_SECONDS, shards, pipeline);
    }

    /// Adds `SET key record EX ttl` to a pipeline.
    fn set<'p>(&self, ttl_seconds: u64, shards: ShardCount, pipeline: &'p mut Pipeline) -> &'p mut Pipeline {
        let key = keys::pending(shards.of_job(self.job_id), self.job_id);
        pipeline.cmd("SET").arg(key).arg(crate::domain::raw(self).get()).arg("EX").arg(ttl_seconds)
    }
}

impl Queue {
    /// Claims the jobs' ids, for jobs that have an idempotency key: whoever comes first has it, for a
    /// minute or, once the job is queued, until it is decided.
    ///
    /// # Errors
    /// If Redis is away. Some ids may have been claimed all the same; claiming them again is [`Claim::Same`].
    pub async fn claim(&self, jobs: &[Pending]) -> Result<Vec<Claim>, QueueError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(2 * jobs.len());
        for job in jobs {
            job.set(CLAIM_TTL_SECONDS, self.shards, &mut pipeline).arg("NX");
            pipeline.cmd("GET").arg(keys::pending(self.shards.of_job(job.job_id), job.job_id));
        }
        let answers = self.connection()?.run_each::<Value>(&mut pipeline).await?;
        let mut answers = answers.into_iter();
        jobs.iter()
            .map(|job| {
                let was_free = answers.next().transpose()? == Some(Value::Okay);
                let stored = answers.next().transpose()?.and_then(bytes);
                Ok(match stored.as_deref().and_then(Pending::parse) {
                    _ if was_free => Claim::New,
                    Some(stored) if !stored.is_same_job(job) => Claim::Other,
                    Some(_) => Claim::Same,
                    // Decided in this very moment, or unreadable: Postgres knows.
                    None => Claim::New,
                })
            })
            .collect()
    }

    /// The record of a job that waits to be decided.
    ///
    /// # Errors
    /// If Redis is away.
    pub async fn pending(&self, job_id: JobId) -> Result<Option<Pending>, QueueError> {
        let key = keys::pending(self.shards.of_job(job_id), job_id);
        let stored: Option<Vec<u8>> = self.connection()?.run(redis::cmd("GET").arg(key)).await?;
        Ok(stored.as_deref().and_then(Pending::parse).filter(|pending| pending.is_queued))
    }

    /// Removes records of jobs that are decided, or were not accepted after all.
    ///
    /// # Errors
    /// If Redis is away.
    pub async fn forget(&self, job_ids: &[JobId]) -> Result<(), QueueError> {
        let mut pipeline = Pipeline::new();
        forget(self.shards, job_ids, &mut pipeline);
        self.connection()?.run_all(&mut pipeline).await
    }
}

/// Adds one `UNLINK` per shard to a pipeline.
pub(super) fn forget(shards: ShardCount, job_ids: &[JobId], pipeline: &mut Pipeline) {
    let mut by_shard: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for job_id in job_ids {
        let shard = shards.of_job(*job_id);
        by_shard.entry(shard).or_default().push(keys::pending(shard, *job_id));
    }
    for keys in by_shard.into_values() {
        pipeline.cmd("UNLINK").arg(keys);
    }
}
