//! What can be asked of Satchel: one file per job type, and one line for it in the registry below.
//!
//! A job is parsed the same way at both ends: by the API from the client's JSON, and again by the worker
//! from the queue, which it does not trust.

#[cfg(test)]
mod model_tests;
mod registry;
mod reward_inventory_item;
#[cfg(test)]
mod schema_tests;
mod send_event;
mod submission;
mod use_item;

use chrono::{DateTime, Utc};
use satchel_forms::{Described, Faults, Fields, Form, Members, ObjectSchema, read_text};
use schemars::SchemaGenerator;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::domain::catalogue::Catalogue;
use crate::domain::{
    Actor, Denied, Holdings, ItemId, OnceKey, Plan, Priority, Reason, Rejection, Role, SubmitRule, UserId,
};

pub use reward_inventory_item::{RewardInventoryItem, RewardResult};
pub use send_event::{EventResult, EventSubmission, SendEvent, Sent};
pub use submission::Submission;
pub use use_item::{Consumed, EffectResult, Emitted, UseItem, UseResult};

registry::job_types! {
    RewardInventoryItem,
    SendEvent,
    UseItem,
}

/// A job type: how it is read (which is derived), who may submit it, what it touches and what it decides.
pub trait JobType: Sized + Serialize + Fields + Described {
    /// The name in the field `type`.
    const TYPE: &'static str;
    /// Who may submit it.
    const SUBMIT: SubmitRule;

    /// Names every item whose holding [`JobType::plan`] may look at; they are loaded before it.
    fn touched<'a>(&'a self, catalogue: &'a Catalogue, touch: &mut dyn FnMut(&'a ItemId));

    /// What rules that may have to give for the job would give for only once; whether they have is loaded before
    /// [`JobType::plan`].
    fn once_keys(&self, _: &Catalogue) -> Vec<OnceKey> {
        Vec::new()
    }

    /// The most work that checking it by schemas can make: see [`Catalogue::event_work`].
    fn checks(&self, _: &Catalogue) -> u64 {
        0
    }

    /// Decides, from the holdings and the catalogue alone: no clock, no randomness, no I/O.
    ///
    /// # Errors
    /// A [`Rejection`] if the rules of the game refuse the job.
    fn plan(&self, holdings: &Holdings, catalogue: &Catalogue) -> Result<Plan, Rejection>;
}

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
        self.work.submit_rule().check(actor, &self.user_id, self.work.type_name())?;
        let is_ordinary = self.priority.is_normal() && self.not_before.is_none() && !self.quiet;
        if actor.role == Role::Player && !is_ordinary { Err(Denied::Precedence) } else { Ok(()) }
    }

    /// When a job that was submitted at `submitted_at` joins its player's others: then, or when its delay is over.
    #[must_use]
    pub fn due_at(&self, submitted_at: DateTime<Utc>) -> DateTime<Utc> {
        self.not_before.map_or(submitted_at, |not_before| not_before.max(submitted_at))
    }

    /// SHA-256 over the canonical form: equal for two submissions of the same job, however they were written.
    #[must_use]
    pub fn payload_hash(&self) -> PayloadHash {
        PayloadHash(Sha256::digest(crate::domain::raw(self).get()).into())
    }
}

/// See [`Job::payload_hash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadHash(pub [u8; 32]);
