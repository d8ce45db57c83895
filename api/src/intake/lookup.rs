//! Looks up jobs that Postgres knows, for many requests at once, so that a flood of idempotency keys costs few queries.

use std::collections::HashMap;

use satchel_model::ids::JobId;
use satchel_model::operations::PayloadHash;
use satchel_model::records::JobRecord;
use satchel_store::jobs;
use satchel_store::waiting::{WaitingJob, WaitingStatus};
use satchel_store::{Pool, StoreError, journal, parked};

use crate::http::deadline;
use crate::intake::gather::{Gather, Source};

/// What Postgres knows of a job.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    /// It was decided.
    Decided(JobRecord),
    /// It waits in Postgres: it is in the journal, or it failed, or it is blocked behind one of its player's that did.
    Waiting(WaitingJob),
}

impl Known {
    /// Its status, as clients see it.
    pub(crate) fn status(&self) -> &'static str {
        match self {
            Self::Decided(record) => record.status.as_str(),
            Self::Waiting(waiting) => status_name(waiting.status),
        }
    }

    /// What exactly was asked.
    pub(crate) fn payload_hash(&self) -> PayloadHash {
        match self {
            Self::Decided(record) => record.payload_hash,
            Self::Waiting(waiting) => waiting.payload_hash,
        }
    }
}

/// A status as clients see it.
pub(crate) fn status_name(status: WaitingStatus) -> &'static str {
    match status {
        WaitingStatus::Queued => "queued",
        WaitingStatus::Retrying => "retrying",
        WaitingStatus::Parked => "parked",
    }
}

/// Where to ask.
pub(crate) struct Lookup(Gather<Tables>);

/// What answers.
struct Tables(Pool);

impl Lookup {
    /// Starts answering.
    pub(crate) fn start(pool: Pool) -> Self {
        Self(Gather::start(Tables(pool)))
    }

    /// Those of the jobs that Postgres knows; `None` if it does not tell in time.
    pub(crate) async fn known(&self, job_ids: Vec<JobId>) -> Option<HashMap<JobId, Known>> {
        self.0.ask(job_ids).await?
    }
}

impl Source for Tables {
    const MAX_WAITING: usize = 4_096;
    /// At most 128,000 jobs, all of them in arrays of 1,000.
    const MAX_QUESTIONS: usize = 128;
    type Question = Vec<JobId>;
    type Answer = Option<HashMap<JobId, Known>>;

    async fn answer(&mut self, questions: &[Vec<JobId>]) -> Vec<Self::Answer> {
        let job_ids: Vec<JobId> = questions.iter().flatten().copied().collect();
        let found = deadline::hint(find(&self.0, &job_ids)).await;
        let own = |job_ids: &Vec<JobId>| {
            let found = found.as_ref()?;
            Some(job_ids.iter().filter_map(|job_id| Some((*job_id, found.get(job_id)?.clone()))).collect())
        };
        questions.iter().map(own).collect()
    }
}

/// Looks in the order in which jobs move: one that leaves the first table meanwhile is met in the second.
async fn find(pool: &Pool, job_ids: &[JobId]) -> Result<HashMap<JobId, Known>, StoreError> {
    // Also without a journal of our own: another replica may keep one, or this one did before its last restart.
    let journaled = journal::find_many(pool, job_ids).await?;
    let parked = parked::find_many(pool, job_ids).await?;
    let decided = jobs::find_many(pool, job_ids).await?;
    let mut known: HashMap<JobId, Known> =
        journaled.into_iter().chain(parked).map(|(job_id, waiting)| (job_id, Known::Waiting(waiting))).collect();
    known.extend(decided.into_iter().map(|(job_id, record)| (job_id, Known::Decided(record))));
    Ok(known)
}
