//! Pending records in memory.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use satchel_model::ids::JobId;

use crate::pending::CLAIM_TTL_SECONDS;
use crate::{Claim, Pending, QueueError};

/// The most records; more jobs are refused.
const MAX_RECORDS: usize = 200_000;

/// What is known of pending jobs.
#[derive(Default)]
pub(super) struct Records(HashMap<JobId, Record>);

struct Record {
    pending: Pending,
    expires_at: Instant,
}

impl Records {
    /// Claims a job's id.
    pub(super) fn claim(&mut self, job: &Pending) -> Result<Claim, QueueError> {
        match self.find(job.job_id) {
            Some(stored) => Ok(stored.claimed_by(job)),
            None => self.set(job.clone(), CLAIM_TTL_SECONDS).map(|()| Claim::New),
        }
    }

    /// Keeps a record for so long, in seconds, instead of any of the same job.
    pub(super) fn set(&mut self, pending: Pending, ttl_seconds: u64) -> Result<(), QueueError> {
        let now = Instant::now();
        if self.0.len() >= MAX_RECORDS && !self.0.contains_key(&pending.job_id) {
            self.0.retain(|_, record| record.expires_at > now);
            if self.0.len() >= MAX_RECORDS {
                return Err(QueueError::Refused(format!("{MAX_RECORDS} jobs are pending in memory").into()));
            }
        }
        self.0.insert(pending.job_id, Record { pending, expires_at: now + Duration::from_secs(ttl_seconds) });
        Ok(())
    }

    /// A record that has not expired.
    pub(super) fn find(&self, job_id: JobId) -> Option<&Pending> {
        self.0.get(&job_id).filter(|record| record.expires_at > Instant::now()).map(|record| &record.pending)
    }

    /// Removes a record.
    pub(super) fn forget(&mut self, job_id: JobId) {
        self.0.remove(&job_id);
    }
}
