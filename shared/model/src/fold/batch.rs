//! The fold itself.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;

use super::{Decisions, Disposition, PartyWrites, Turn, UserState};
use crate::access::{Actor, Role};
use crate::catalogue::Catalogue;
use crate::decide::{ChanceKey, Draft, Inputs, PartyPlan, Plan, Verdict, decision_time};
use crate::events::{of_applied, of_rejected};
use crate::facts::{Facts, Reads};
use crate::ids::{JobId, UserId};
use crate::ledger::{Head, LedgerKey, NewBody, Record, RecordedActor, RecordedChange, Seal};
use crate::operations::{Context, Envelope, Job, MAX_JOB_AGE_DAYS};
use crate::records::{JobRecord, JobStatus, NewEvent};
use crate::rejection::{Rejection, RejectionCode};

/// How far the clocks of Redis, which says when a delayed job is due, and of Postgres may be apart, in seconds.
pub const MAX_CLOCK_SKEW_SECONDS: i64 = 60;

/// What a batch's jobs are decided on, as the transaction sees it, and what they are decided by.
#[derive(Debug)]
pub struct Batch<'c> {
    /// Those of the batch's jobs that were decided before.
    pub decided: HashMap<JobId, Arc<JobRecord>>,
    /// The parties of its jobs.
    pub users: HashMap<UserId, UserState>,
    /// The catalogue in force.
    pub catalogue: &'c Catalogue,
    /// Its version.
    pub catalogue_version: i64,
    /// What chance is drawn from.
    pub chance: &'c ChanceKey,
    /// The database's clock, once for the whole batch.
    pub now: DateTime<Utc>,
    /// How often this batch was tried, this time included.
    pub attempts: i32,
    /// Signs what changes nothing.
    pub ledger_key: &'c LedgerKey,
}

impl Batch<'_> {
    /// Asks for what a job may look at, as far as that can be told from what is known.
    pub fn ask<'d>(&self, envelope: &'d Envelope, reads: &mut Reads<'d>) {
        let known = |user_id: &UserId| self.users.get(user_id).map(|user| &user.facts);
        let job = &envelope.job;
        job.work.reads(&Context { user_id: &job.user_id, catalogue: self.catalogue, known: &known }, reads);
    }

    /// Decides the jobs, one after the other. Afterwards its users are as the batch leaves them.
    pub fn decide<'d>(&mut self, turns: impl ExactSizeIterator<Item = Turn<'d>>) -> Decisions {
        let mut decisions = Decisions::for_batch_of(turns.len());
        for turn in turns {
            let disposition = if let Some(decided) = self.decided.get(&turn.envelope.job_id) {
                Disposition::Recorded(self.again(turn, Arc::clone(decided), &mut decisions))
            } else if self.is_early(turn) {
                Disposition::Early
            } else if self.is_blocked(turn) {
                Disposition::Blocked
            } else {
                let now = self.decision_time(turn.envelope);
                match self.verdict(turn.envelope, now) {
                    Verdict::Decided(plan) => Disposition::Recorded(self.settle(turn, now, plan, &mut decisions)),
                    Verdict::Unread => {
                        // What a job before it made is read by the next batch.
                        decisions.unread = decisions.records.is_empty().then_some(turn.envelope.job_id);
                        return decisions;
                    }
                }
            };
            decisions.dispositions.push(disposition);
        }
        decisions
    }

    /// A job that was decided before.
    fn again(&self, turn: Turn<'_>, decided: Arc<JobRecord>, decisions: &mut Decisions) -> Arc<JobRecord> {
        decisions.redelivered += 1;
        let Envelope { job_id, job, .. } = turn.envelope;
        // An id without a key is nobody else's, and one that was withdrawn may lack the hash.
        let is_same = decided.payload_hash == turn.payload_hash() || !job_id.is_of_key();
        if decided.user_id == job.user_id && is_same {
            return decided;
        }
        decisions.conflicts.push(*job_id);
        let conflict = Rejection::new(RejectionCode::IdempotencyConflict, "the job's id belongs to another job");
        Arc::new(self.record(turn, Err(conflict)))
    }

    /// Whether somebody brought it here before its time: the queue is not trusted to say when that is. (What was parked was
    /// due before.)
    fn is_early(&self, turn: Turn<'_>) -> bool {
        let skew = TimeDelta::seconds(MAX_CLOCK_SKEW_SECONDS);
        let is_early = turn.envelope.job.not_before.is_some_and(|not_before| not_before > self.now + skew);
        is_early && !turn.was_parked
    }

    /// Whether its user has a parked job, behind which it has to stay.
    fn is_blocked(&self, turn: Turn<'_>) -> bool {
        let is_blocked = self.users.get(&turn.envelope.job.user_id).is_some_and(|user| user.head.is_blocked);
        is_blocked && !turn.was_parked
    }

    /// What the operation decides, after the checks that hold for all of them.
    fn verdict(&self, envelope: &Envelope, now: DateTime<Utc>) -> Verdict {
        let job = &envelope.job;
        if parties(job).any(|user_id| !self.users.contains_key(user_id)) {
            // Nothing can be recorded of somebody whom nobody has looked for.
            return Verdict::Unread;
        }
        if let Err(denied) = job.check_submitter(&envelope.actor) {
            return Verdict::Decided(Err(Rejection::new(RejectionCode::Forbidden, denied.to_string())));
        }
        let due = job.due_at(envelope.submitted_at);
        if self.now - due > TimeDelta::days(MAX_JOB_AGE_DAYS.into()) {
            let message = format!("the job waited longer than {MAX_JOB_AGE_DAYS} days");
            return Verdict::Decided(Err(Rejection::new(RejectionCode::Expired, message)));
        }
        let others = job.work.other_parties();
        if let Some(twice) = named_twice(&job.user_id, others) {
            // Each would be decided on what the user had before the other.
            let message = format!("the job names the user {twice} twice");
            return Verdict::Decided(Err(Rejection::new(RejectionCode::Forbidden, message)));
        }
        let nothing = Facts::default();
        let user = |user_id| self.users.get(user_id);
        let facts = |user_id| (user_id, user(user_id).map_or(&nothing, |user| &user.facts));
        let inputs = Inputs { job_id: envelope.job_id, catalogue: self.catalogue, now, chance: self.chance };
        job.work.decide(Draft::new(inputs, facts(&job.user_id), others.iter().map(facts)))
    }

    /// When a job counts as decided.
    fn decision_time(&self, envelope: &Envelope) -> DateTime<Utc> {
        let last = parties(&envelope.job).filter_map(|user_id| self.users.get(user_id)?.head.decided_at);
        decision_time(self.now, envelope.job.due_at(envelope.submitted_at), last)
    }

    /// Takes a decision over: for the jobs that follow, and to be written.
    fn settle(
        &mut self,
        turn: Turn<'_>,
        now: DateTime<Utc>,
        plan: Result<Plan, Rejection>,
        decisions: &mut Decisions,
    ) -> Arc<JobRecord> {
        let Envelope { job_id, job, .. } = turn.envelope;
        let (plan, others, outcome, told) = match plan {
            Ok(Plan { user, others, happened, result }) => {
                (user, others, Ok(result), of_applied(turn.envelope, happened))
            }
            Err(rejection) => (PartyPlan::default(), Vec::new(), Err(rejection), of_rejected()),
        };
        let record = Arc::new(self.record(turn, outcome));
        self.follow(turn, now, (&job.user_id, plan), Some(&record), decisions);
        for (user_id, plan) in job.work.other_parties().iter().zip(others) {
            self.follow(turn, now, (user_id, plan), None, decisions);
        }
        if let Some(user) = self.users.get(&job.user_id).map(|user| user.key) {
            let event = |(nth, told)| NewEvent { is_quiet: job.quiet, ..NewEvent::of_job(user, *job_id, nth, told) };
            decisions.events.extend(told.into_iter().enumerate().map(event));
        }
        self.decided.insert(*job_id, Arc::clone(&record));
        decisions.records.push(Arc::clone(&record));
        decisions.shards.push(turn.shard);
        record
    }

    /// Takes over what a job does to one user: a record in its ledger, and its facts for the jobs that follow. `submitted` is how the job
    /// ended, for the user whom it names.
    fn follow(
        &mut self,
        turn: Turn<'_>,
        now: DateTime<Utc>,
        (user_id, plan): (&UserId, PartyPlan),
        submitted: Option<&JobRecord>,
        decisions: &mut Decisions,
    ) {
        let Some(user) = self.users.get_mut(user_id) else { return };
        let changes = RecordedChange::of_plan(&plan);
        let count = i16::try_from(changes.len()).unwrap_or(i16::MAX);
        if submitted.is_none() && count == 0 {
            return;
        }
        let Envelope { job_id, job, actor, request_id, submitted_at, .. } = turn.envelope;
        let body = NewBody {
            canonical: turn.canonical,
            user_id: &job.user_id,
            actor: recorded(actor, user_id),
            request_id,
            submitted_at: *submitted_at,
            decided_at: now,
            catalogue_version: self.catalogue_version,
            attempts: turn.failures.saturating_add(self.attempts),
            changes: &changes,
            result: submitted.map_or(RawValue::NULL, |record| &record.result),
        };
        let mut record = Record {
            user: user.key,
            seq: user.head.version + i64::from(count > 0),
            count,
            job_id: submitted.map(|_| *job_id),
            is_rejected: submitted.is_some_and(|record| record.status == JobStatus::Rejected),
            at: self.now,
            body: if submitted.is_some() { body.text() } else { body.text_of_party(*job_id) },
            seal: Seal::Chained(user.head.hash),
        };
        if count == 0 {
            record.seal = Seal::Alone(record.mac(self.ledger_key));
        } else {
            let hash = record.hash(user.head.hash);
            record.seal = Seal::Chained(hash);
            let version = user.head.version + i64::from(count);
            user.head = Head { version, hash, decided_at: Some(now), ..user.head };
        }
        decisions.ledger.push(record);
        user.follow(&plan);
        if !plan.writes.is_empty() {
            decisions.writes.push(PartyWrites { user: user.key, writes: plan.writes });
        }
    }

    fn record(&self, turn: Turn<'_>, outcome: Result<Box<serde_json::value::RawValue>, Rejection>) -> JobRecord {
        let envelope = turn.envelope;
        JobRecord {
            job_id: envelope.job_id,
            job_type: envelope.job.work.name().into(),
            user_id: envelope.job.user_id.clone(),
            status: if outcome.is_ok() { JobStatus::Applied } else { JobStatus::Rejected },
            submitted_at: envelope.submitted_at,
            applied_at: self.now,
            attempts: turn.failures.saturating_add(self.attempts),
            result: outcome.unwrap_or_else(|rejection| rejection.result()),
            payload_hash: turn.payload_hash(),
            actor: envelope.actor.to_string(),
            request_id: envelope.request_id.to_string(),
        }
    }
}

/// Who submitted a job, as a user's record says it.
fn recorded<'a>(actor: &'a Actor, user_id: &UserId) -> Option<RecordedActor<'a>> {
    let is_self = actor.role == Role::Player && actor.subject == *user_id;
    (!is_self).then(|| RecordedActor::Named(actor.to_string().into()))
}

/// The users whom a job is about.
fn parties(job: &Job) -> impl Iterator<Item = &UserId> {
    std::iter::once(&job.user_id).chain(job.work.other_parties())
}

/// A user who is more than one of a job's parties.
fn named_twice<'j>(user_id: &'j UserId, others: &'j [UserId]) -> Option<&'j UserId> {
    let is_before =
        |(index, other): &(usize, &UserId)| *other == user_id || others.iter().take(*index).any(|it| it == *other);
    others.iter().enumerate().find(is_before).map(|(_, other)| other)
}
