//! Steps that submit jobs: the game's own events, and any other.

use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};
use satchel_model::access::{Actor, Role, Scopes};
use satchel_model::ids::{EventId, EventName, IdempotencyKey, JobId, RequestId, UserId};
use satchel_model::operations::Envelope;
use satchel_model::operations::Priority;
use satchel_model::operations::{Job, SendEvent};
use satchel_model::records::JobStatus;
use satchel_store::jobs;
use satchel_wire::FreshJob;
use satchel_wire::envelope::{VERSION, parse_body};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::failure::{Failure, Kind};
use crate::steps::{Step, Steps, Surroundings};

/// The time that an attempt waits for a job's outcome before the run sleeps instead.
const JOB_PATIENCE: Duration = Duration::from_secs(2);
/// The first wait between two looks for the outcome; it doubles.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// The time that the run sleeps then.
const JOB_NAP: Duration = Duration::from_secs(5);

/// The largest job, in bytes: as the API takes them.
const MAX_JOB_BYTES: usize = 64 * 1024;

/// Whether whoever applies the job will be able to read it: functions make jobs as they like.
fn check(envelope: &Envelope) -> Result<(), Failure> {
    let body = envelope.body();
    if body.len() > MAX_JOB_BYTES {
        return Err(Failure::permanent(format!("the job has {} bytes, more than {MAX_JOB_BYTES}", body.len())));
    }
    match parse_body(VERSION, body.as_bytes()) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::permanent(format!("the job cannot be read: {error}"))),
    }
}

/// The outcome of a job that a step submitted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobOutcome {
    /// The job.
    pub job_id: JobId,
    /// Whether it was applied; else it was rejected.
    pub is_applied: bool,
    /// Its result.
    pub result: Box<RawValue>,
}

impl Steps<'_> {
    /// Tells of one of the game's own events, which then has its rewards and functions like any other. It is told of once; its id is
    /// the step's [`Step::idempotency_key`]. It is not waited for: if the catalogue does not declare such an event, or its data
    /// are of another schema, its job is rejected, and `job/rejected` tells so.
    ///
    /// # Errors
    /// If Redis is away, or the run is to end.
    pub async fn send_event(
        &mut self,
        id: &str,
        user_id: UserId,
        name: EventName,
        data: Map<String, Value>,
    ) -> Result<JobId, Failure> {
        let step = self.begin(id)?;
        if let Some(result) = self.done(&step)? {
            return Ok(result);
        }
        let event = SendEvent { event_id: EventId::parse(&step.idempotency_key)?, name, data, at: None };
        let work = event.into();
        let job = Job { user_id, reason: None, priority: Priority::default(), not_before: None, quiet: false, work };
        let job_id = self.submit(&step, job).await?;
        self.save(&step, &job_id).await
    }

    /// Submits a job and waits for its outcome, however long that takes. The job is submitted once.
    ///
    /// # Errors
    /// While it waits; if Redis or Postgres is away, or the run is to end. A job that is rejected is no failure.
    pub async fn submit_job(&mut self, id: &str, job: Job) -> Result<JobOutcome, Failure> {
        let step = self.begin(id)?;
        if let Some(result) = self.done(&step)? {
            return Ok(result);
        }
        let job_id = self.job_id(&step, &job.user_id);
        if self.outcome(job_id).await?.is_none() && self.surroundings.queue.pending(job_id).await?.is_none() {
            self.submit(&step, job).await?;
        }
        let patience = Instant::now() + JOB_PATIENCE;
        let mut look = FIRST_LOOK;
        loop {
            if let Some(outcome) = self.outcome(job_id).await? {
                return self.save(&step, &outcome).await;
            }
            if Instant::now() >= patience {
                let until = self.now() + TimeDelta::from_std(JOB_NAP).unwrap_or_default();
                return Err(Failure(Kind::Sleeping(until)));
            }
            tokio::time::sleep(look).await;
            look *= 2;
        }
    }

    /// The id of the job that a step submits: the same however often that is, and for whomever. (A function may choose another user at
    /// its next attempt; that makes no other job.)
    fn job_id(&self, step: &Step, user_id: &UserId) -> JobId {
        match IdempotencyKey::parse(&step.idempotency_key) {
            Ok(key) => JobId::of_step(&self.subject(), &key),
            // It is a UUID, and so it is one.
            Err(_) => JobId::fresh(user_id),
        }
    }

    fn subject(&self) -> String {
        format!("function:{}", self.function_id)
    }

    async fn submit(&self, step: &Step, job: Job) -> Result<JobId, Failure> {
        let job_id = self.job_id(step, &job.user_id);
        let envelope = Envelope {
            job_id,
            job,
            actor: Actor::new(Role::Service, &self.subject(), Scopes::all())?,
            request_id: RequestId::parse(&self.run.run_id.to_string())?,
            submitted_at: self.now().trunc_subsecs(6),
            reply_to: None,
            journaled: false,
        };
        check(&envelope)?;
        let Surroundings { queue, envelope_key, .. } = self.surroundings;
        queue.enqueue(envelope_key, &[envelope]).await?.into_iter().collect::<Result<(), _>>()?;
        Ok(job_id)
    }

    async fn outcome(&self, job_id: JobId) -> Result<Option<JobOutcome>, Failure> {
        let found = jobs::find(&self.surroundings.pool, job_id).await?;
        Ok(found.map(|record| JobOutcome {
            job_id,
            is_applied: record.status == JobStatus::Applied,
            result: record.result,
        }))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use satchel_model::catalogue::ItemQuantity;
    use satchel_model::ids::{ItemId, Quantity};
    use satchel_model::operations::{RewardInventoryItem, Work};
    use serde_json::json;

    use super::*;

    fn checked(work: impl Into<Work>) -> Result<(), String> {
        let user_id = UserId::parse("u1").unwrap();
        let job = Job {
            user_id,
            reason: None,
            priority: Priority::default(),
            not_before: None,
            quiet: false,
            work: work.into(),
        };
        let envelope = Envelope {
            job_id: JobId::from(uuid::Uuid::now_v7()),
            job,
            actor: Actor::new(Role::Service, "function:a-b-c", Scopes::all()).unwrap(),
            request_id: RequestId::parse("r").unwrap(),
            submitted_at: DateTime::UNIX_EPOCH,
            reply_to: None,
            journaled: false,
        };
        check(&envelope).map_err(|failure| format!("{failure:?}"))
    }

    fn event(data: Value) -> SendEvent {
        let data = Map::from_iter([("x".to_owned(), data)]);
        SendEvent { event_id: EventId::parse("e1").unwrap(), name: EventName::parse("a/b").unwrap(), data, at: None }
    }

    #[test]
    fn a_job_that_nobody_could_read_is_not_submitted() {
        let deep = (0..130).fold(json!(1), |inner, _| json!([inner]));
        assert_eq!(checked(event(json!("fine"))), Ok(()));
        assert!(checked(event(deep)).unwrap_err().contains("cannot be read"));
        assert!(checked(event(json!("x".repeat(MAX_JOB_BYTES)))).unwrap_err().contains("bytes"));
        let reward = |items| RewardInventoryItem { items };
        let item = ItemQuantity { item_id: ItemId::parse("key").unwrap(), quantity: Quantity::parse(1).unwrap() };
        assert_eq!(checked(reward(vec![item.clone()])), Ok(()));
        assert!(checked(reward(Vec::new())).is_err() && checked(reward(vec![item.clone(), item])).is_err());
    }
}
