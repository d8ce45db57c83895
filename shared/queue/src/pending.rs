//! Jobs that were accepted and are not decided yet.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use satchel_model::ids::{JobId, UserId};
use satchel_model::operations::Envelope;
use satchel_model::operations::PayloadHash;
use satchel_model::operations::{MAX_JOB_AGE_DAYS, Priority};

/// How long an id stays claimed whose job did not come: longer than a submission can take.
pub(super) const CLAIM_TTL_SECONDS: u64 = 60;
/// How long a queued job's record is kept that nobody removes, from when the job is due: as long as it may wait.
const QUEUED_TTL_SECONDS: u64 = MAX_JOB_AGE_DAYS as u64 * 24 * 60 * 60;

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
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    pub submitted_at: DateTime<Utc>,
    /// Until when it is to wait, at least.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "satchel_model::moment::serialize")]
    pub not_before: Option<DateTime<Utc>>,
    /// Whether it may overtake others.
    #[serde(default, skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// Whether what happens by it is given to no function.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quiet: bool,
    /// Who submitted it: `role:subject`.
    pub actor: String,
    /// SHA-256 of the job's canonical form, as hexadecimal digits; empty for a job without idempotency key, whose id
    /// nobody can claim for another one.
    payload_hash: String,
    /// Whether it went into the queue, or its id was only claimed.
    pub(super) is_queued: bool,
}

/// What came of claiming a job id for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It was free.
    New,
    /// The same job has it; whether it was queued is not known.
    Same,
    /// The same job has it, and was about to be queued.
    Queued {
        /// When the API took it.
        submitted_at: DateTime<Utc>,
    },
    /// Another job has it.
    Other,
}

impl Pending {
    /// The record of an envelope, as a claim.
    #[must_use]
    pub fn of(envelope: &Envelope) -> Self {
        let is_keyed = envelope.job_id.is_of_key();
        Self {
            job_id: envelope.job_id,
            user_id: envelope.job.user_id.clone(),
            job_type: envelope.job.work.name().to_owned(),
            submitted_at: envelope.submitted_at,
            not_before: envelope.job.not_before,
            priority: envelope.job.priority,
            quiet: envelope.job.quiet,
            actor: envelope.actor.to_string(),
            payload_hash: if is_keyed { hex::encode(envelope.job.payload_hash().0) } else { String::new() },
            is_queued: false,
        }
    }

    /// What is known of a job by its entry.
    pub(super) fn waiting(envelope: &Envelope) -> Self {
        Self { is_queued: true, ..Self::of(envelope) }
    }

    /// The record of a job that is being queued, and how long to keep it, in seconds; none if Postgres has the job, or if
    /// nobody can submit another one under its id.
    pub(super) fn queued(envelope: &Envelope) -> Option<(Self, u64)> {
        if envelope.journaled || !envelope.job_id.is_of_key() {
            return None;
        }
        let delay = envelope.job.due_at(envelope.submitted_at) - envelope.submitted_at;
        let ttl_seconds = QUEUED_TTL_SECONDS + u64::try_from(delay.num_seconds()).unwrap_or_default();
        Some((Self::waiting(envelope), ttl_seconds))
    }

    /// What exactly was asked, as hexadecimal digits.
    pub(super) fn payload_hash_text(&self) -> &str {
        &self.payload_hash
    }

    /// What exactly was asked, of a job with an idempotency key.
    #[must_use]
    pub fn payload_hash(&self) -> Option<PayloadHash> {
        let mut hash = [0; 32];
        hex::decode_to_slice(&self.payload_hash, &mut hash).ok().map(|()| PayloadHash(hash))
    }

    /// What a record means for `claimant`, who would like to know whether a queued job has its id.
    pub(super) fn queued_as(stored: Option<&Self>, claimant: &Self) -> Claim {
        stored.filter(|stored| stored.is_queued).map_or(Claim::New, |stored| stored.claimed_by(claimant))
    }

    /// What it means for `claimant`, who wants the same id, that this one has it.
    pub(super) fn claimed_by(&self, claimant: &Self) -> Claim {
        let is_same = self.user_id == claimant.user_id && self.payload_hash == claimant.payload_hash;
        match (is_same, self.is_queued) {
            (true, true) => Claim::Queued { submitted_at: self.submitted_at },
            (true, false) => Claim::Same,
            (false, _) => Claim::Other,
        }
    }
}

/// A job that was queued before, to be looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// The job.
    pub job_id: JobId,
    /// Whose.
    pub user_id: UserId,
    /// When it joined its player's others: when the API took it, or when its delay was over.
    pub queued_at: DateTime<Utc>,
}
