//! One job.

use chrono::{DateTime, Utc};
use satchel_forms::Form;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Priority, Work};
use crate::access::{Actor, Denied, Role};
use crate::ids::{Reason, UserId};
use crate::json::raw;

/// A job.
///
/// One that exists is valid. Its JSON is the canonical form that [`Job::payload_hash`] is taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Form)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Whose inventory it changes.
    pub user_id: UserId,
    /// Why, in the submitter's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Whether it may overtake other players' jobs.
    #[serde(skip_serializing_if = "Priority::is_normal")]
    #[form(default)]
    pub priority: Priority,
    /// When it may be applied at the earliest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::moment::serialize")]
    #[form(text = crate::moment::parse)]
    pub not_before: Option<DateTime<Utc>>,
    /// Whether its events are recorded, but given to no function.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[form(default)]
    pub quiet: bool,
    /// What to do.
    #[serde(flatten)]
    pub work: Work,
}

impl Job {
    /// Whether `actor` may submit this job.
    ///
    /// # Errors
    /// [`Denied`] with the reason.
    pub fn check_submitter(&self, actor: &Actor) -> Result<(), Denied> {
        self.work.access().check(actor, &self.user_id, self.work.name())?;
        let is_ordinary = self.priority.is_normal() && self.not_before.is_none() && !self.quiet;
        if actor.role == Role::Player && !is_ordinary { Err(Denied::Precedence) } else { Ok(()) }
    }

    /// When a job that was submitted at `submitted_at` joins its player's others: then, or when its delay is over.
    #[must_use]
    pub fn due_at(&self, submitted_at: DateTime<Utc>) -> DateTime<Utc> {
        self.not_before.map_or(submitted_at, |not_before| not_before.max(submitted_at))
    }

    /// The canonical form: the same text for two submissions of the same job, however they were written. It begins with whose it is.
    #[must_use]
    pub fn canonical(&self) -> Box<str> {
        raw(self).into()
    }

    /// SHA-256 over the canonical form.
    #[must_use]
    pub fn payload_hash(&self) -> PayloadHash {
        PayloadHash::of(&self.canonical())
    }
}

/// See [`Job::payload_hash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadHash(pub [u8; 32]);

impl PayloadHash {
    /// Of a canonical form.
    #[must_use]
    pub fn of(canonical: &str) -> Self {
        Self(Sha256::digest(canonical).into())
    }
}
