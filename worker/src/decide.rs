//! The fold: jobs in stream order over the state that they touch. Pure: everything it needs is handed to it.

use std::sync::Arc;

use chrono::TimeDelta;
use satchel_model::domain::{
    Emission, Holdings, LedgerEntry, MAX_JOB_AGE_DAYS, OnceKey, Plan, Rejection, RejectionCode, Shard,
};
use satchel_model::envelope::Envelope;
use satchel_model::events::{self, EventType, JobFacts, JobRejected};
use satchel_store::events::NewEvent;
use satchel_store::jobs::{JobRecord, JobStatus};
use satchel_store::rule_grants::RuleGrant;
use satchel_store::users::Head;

use crate::decode::Delivery;
use crate::verify::MAX_CLOCK_SKEW_SECONDS;
use crate::world::World;

/// What came of a delivery.
#[derive(Debug)]
pub(crate) enum Ending {
    /// It is decided, now or before.
    Decided(Arc<JobRecord>),
    /// It waits, in Postgres, behind its player's failed job.
    Held,
    /// It is not due yet: it goes back to where delayed jobs wait.
    Early,
}

/// What a batch writes and answers.
pub(crate) struct Decisions {
    /// Jobs decided by this batch.
    pub(crate) records: Vec<Arc<JobRecord>>,
    /// The shard of each of them.
    pub(crate) shards: Vec<Shard>,
    /// Their changes, each user's in order.
    pub(crate) entries: Vec<LedgerEntry>,
    /// What rules have given for.
    pub(crate) grants: Vec<RuleGrant>,
    /// What happened, each user's in order.
    pub(crate) events: Vec<NewEvent>,
    /// What came of each delivery, in their order: also of those that came again.
    pub(crate) endings: Vec<Ending>,
    /// Deliveries of jobs that were decided before.
    pub(crate) redelivered: usize,
}

impl World<'_> {
    /// Decides the deliveries, one after the other. Afterwards its users are as the batch leaves them.
    pub(crate) fn decide(&mut self, deliveries: &[&Delivery]) -> Decisions {
        let mut decisions = Decisions::for_batch_of(deliveries.len());
        for delivery in deliveries {
            let envelope = &delivery.envelope;
            let record = if let Some(decided) = self.decided.get(&envelope.job_id) {
                decisions.redelivered += 1;
                // An id without a key is nobody else's, and one that was withdrawn may lack the hash.
                let is_same = decided.payload_hash == delivery.payload_hash || !envelope.job_id.is_of_key();
                if decided.user_id == envelope.job.user_id && is_same {
                    Arc::clone(decided)
                } else {
                    tracing::warn!(job.id = %envelope.job_id, "a job was delivered under another job's id");
                    Arc::new(self.record(delivery, Err(conflict())))
                }
            } else if self.is_early(delivery) {
                decisions.endings.push(Ending::Early);
                continue;
            } else if self.must_wait(delivery) {
                decisions.endings.push(Ending::Held);
                continue;
            } else {
                let mut plan = self.plan(envelope);
                if let Ok(plan) = &plan {
                    self.follow(envelope, plan, &mut decisions);
                }
                tell(delivery, &mut plan, &mut decisions.events);
                let record = Arc::new(self.record(delivery, plan));
                self.decided.insert(envelope.job_id, Arc::clone(&record));
                decisions.records.push(Arc::clone(&record));
                decisions.shards.push(delivery.shard);
                record
            };
            decisions.endings.push(Ending::Decided(record));
        }
        decisions
    }

    /// Whether somebody brought it here before its time: Redis is not trusted to say when that is. (What is set aside was
    /// due before.)
    fn is_early(&self, delivery: &Delivery) -> bool {
        let skew = TimeDelta::seconds(MAX_CLOCK_SKEW_SECONDS);
        let is_early = delivery.envelope.job.not_before.is_some_and(|not_before| not_before > self.now + skew);
        is_early && !delivery.was_set_aside()
    }

    /// Whether jobs of its player are set aside, behind which it has to stay.
    fn must_wait(&self, delivery: &Delivery) -> bool {
        let is_held = self.users.get(&delivery.envelope.job.user_id).is_some_and(|user| user.head.is_held);
        is_held && !delivery.was_set_aside()
    }

    /// What the job's type decides, after the checks that hold for all types.
    fn plan(&self, envelope: &Envelope) -> Result<Plan, Rejection> {
        let job = &envelope.job;
        job.check_submitter(&envelope.actor)
            .map_err(|denied| Rejection::new(RejectionCode::Forbidden, denied.to_string()))?;
        if self.now - job.due_at(envelope.submitted_at) > TimeDelta::days(MAX_JOB_AGE_DAYS.into()) {
            let message = format!("the job waited longer than {MAX_JOB_AGE_DAYS} days");
            return Err(Rejection::new(RejectionCode::Expired, message));
        }
        match self.users.get(&job.user_id) {
            Some(user) => job.work.plan(&user.holdings, self.catalogue),
            None => job.work.plan(&Holdings::default(), self.catalogue),
        }
    }

    /// Takes a plan over: ledger entries on the user's chain, and the holdings for the jobs that follow.
    fn follow(&mut self, envelope: &Envelope, plan: &Plan, decisions: &mut Decisions) {
        let user_id = &envelope.job.user_id;
        let user = self.users.entry(user_id.clone()).or_default();
        for change in &plan.changes {
            let mut entry = LedgerEntry {
                user_id: user_id.clone(),
                seq: user.head.version + 1,
                at: self.now,
                job_id: envelope.job_id,
                job_type: envelope.job.work.type_name().into(),
                item_id: change.item_id.clone(),
                delta: change.delta,
                balance: change.balance,
                actor: envelope.actor.to_string(),
                reason: envelope.job.reason.as_ref().map(ToString::to_string),
                request_id: envelope.request_id.to_string(),
                cause: change.cause.clone(),
                catalogue_version: self.catalogue_version,
                hash: user.head.hash,
            };
            entry.hash = entry.chain(user.head.hash);
            user.head = Head { version: entry.seq, hash: entry.hash, ..user.head };
            user.touch(&change.item_id).granted |= change.delta > 0;
            decisions.entries.push(entry);
        }
        if let Some(used) = &plan.used {
            user.touch(&used.item_id).used = true;
        }
        let grant = |key: &OnceKey| RuleGrant { user_id: user_id.clone(), key: key.clone(), job_id: envelope.job_id };
        decisions.grants.extend(plan.once.iter().map(grant));
        user.holdings.apply(plan);
    }

    fn record(&self, delivery: &Delivery, plan: Result<Plan, Rejection>) -> JobRecord {
        let envelope = &delivery.envelope;
        JobRecord {
            job_id: envelope.job_id,
            job_type: envelope.job.work.type_name().into(),
            user_id: envelope.job.user_id.clone(),
            status: if plan.is_ok() { JobStatus::Applied } else { JobStatus::Rejected },
            submitted_at: envelope.submitted_at,
            applied_at: self.now,
            attempts: delivery.failures().saturating_add(self.attempts),
            result: plan.map_or_else(|rejection| rejection.result(), |plan| plan.result),
            payload_hash: delivery.payload_hash,
            actor: envelope.actor.to_string(),
            request_id: envelope.request_id.to_string(),
        }
    }
}

impl Decisions {
    fn for_batch_of(jobs: usize) -> Self {
        Self {
            records: Vec::with_capacity(jobs),
            shards: Vec::with_capacity(jobs),
            entries: Vec::with_capacity(jobs),
            grants: Vec::new(),
            events: Vec::with_capacity(jobs),
            endings: Vec::with_capacity(jobs),
            redelivered: 0,
        }
    }
}

/// Takes the events of a decision out of it.
fn tell(delivery: &Delivery, plan: &mut Result<Plan, Rejection>, events: &mut Vec<NewEvent>) {
    let Envelope { job_id, job, .. } = &delivery.envelope;
    let mut told = match plan {
        Ok(plan) => std::mem::take(&mut plan.events),
        Err(_) => vec![JobRejected::of_record()],
    };
    for told in told.iter_mut().filter(|told| told.with_job) {
        add_facts(told, delivery);
    }
    let told = told.into_iter().enumerate();
    let event = |(nth, told)| NewEvent {
        is_quiet: job.quiet,
        ..NewEvent::of_job(delivery.shard, &job.user_id, *job_id, nth, told).because(job.reason.as_ref())
    };
    events.extend(told.map(event));
}

/// Adds the facts of the job to what there is to tell beside them.
fn add_facts(told: &mut Emission, delivery: &Delivery) {
    let Some(beside) = &told.data else { return };
    match events::data_with_job(&JobFacts::of(&delivery.envelope), beside) {
        Ok(data) => told.data = Some(data),
        // Data that a job type made of structs is an object.
        Err(error) => {
            tracing::error!(job.id = %delivery.envelope.job_id, %error, "an event lacks the facts of its job");
        }
    }
}

fn conflict() -> Rejection {
    Rejection::new(RejectionCode::IdempotencyConflict, "the job's id belongs to another job")
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
