//! A plan in the making: what a job does, worked out on top of what its parties have.
//!
//! Nothing changes until the whole job is known to succeed; a rejection just drops the draft. That makes a use and all it
//! gives one atomic outcome.

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::{Chance, ChanceKey, Happening, Party, Plan};
use crate::catalogue::{Catalogue, UseDraft};
use crate::facts::{Facts, Holding, Kind};
use crate::ids::{ItemId, JobId, UserId};
use crate::rejection::Rejection;

/// What a job is decided by, beside what its parties have. The same inputs give the same plan, for ever.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The job.
    pub job_id: JobId,
    /// The catalogue in force.
    pub catalogue: &'a Catalogue,
    /// The decision time: [`super::decision_time`].
    pub now: DateTime<Utc>,
    /// What chance is drawn from.
    pub chance: &'a ChanceKey,
}

/// See the module.
pub struct Draft<'a> {
    /// The user whom the job names.
    pub user: Party<'a>,
    /// The operation's other parties, in its order.
    pub others: Vec<Party<'a>>,
    /// What the job draws.
    pub chance: Chance<'a>,
    pub(super) catalogue: &'a Catalogue,
    now: DateTime<Utc>,
    pub(super) happened: Vec<Happening>,
}

/// What a draft comes to.
#[derive(Debug)]
pub enum Verdict {
    /// It is decided.
    Decided(Result<Plan, Rejection>),
    /// The operation looked at something that nobody has read: a fact that its `reads` did not name, or could not, since
    /// another job of the batch has just made what names it.
    Unread,
}

impl<'a> Draft<'a> {
    /// An empty draft for a user, and for the other parties.
    #[must_use]
    pub fn new(
        inputs: Inputs<'a>,
        user: (&'a UserId, &'a Facts),
        others: impl IntoIterator<Item = (&'a UserId, &'a Facts)>,
    ) -> Self {
        let Inputs { job_id, catalogue, now, chance } = inputs;
        let party = |(user_id, facts)| Party::new(user_id, facts, catalogue);
        Self {
            user: party(user),
            others: others.into_iter().map(party).collect(),
            chance: Chance::of_job(chance, job_id),
            catalogue,
            now,
            happened: Vec::new(),
        }
    }

    /// The catalogue in force.
    #[must_use]
    pub fn catalogue(&self) -> &'a Catalogue {
        self.catalogue
    }

    /// The decision time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Ends the draft with the operation's outcome.
    #[must_use]
    pub fn finish(self, outcome: Result<Box<RawValue>, Rejection>) -> Verdict {
        let user = self.user.finish();
        let others: Option<Vec<_>> = self.others.into_iter().map(Party::finish).collect();
        let (Some(user), Some(others)) = (user, others) else { return Verdict::Unread };
        Verdict::Decided(outcome.map(|result| Plan { user, others, happened: self.happened, result }))
    }
}

/// Use rules look at the job's own user.
impl UseDraft for Draft<'_> {
    fn now(&self) -> DateTime<Utc> {
        self.now
    }

    fn holding(&self, item_id: &ItemId) -> Holding {
        self.user.holding(item_id)
    }

    fn take(&mut self, item_id: &ItemId, pieces: i64, cause: Option<&str>) -> Result<i64, Rejection> {
        self.user.take(item_id, pieces, cause)
    }

    fn fact<F: Kind>(&self, key: &F::Key) -> F::Value {
        self.user.fact::<F>(key)
    }

    fn set<F: Kind>(&mut self, key: F::Key, value: F::Value) {
        self.user.set::<F>(key, value);
    }
}
