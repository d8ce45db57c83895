//! What a function does, step by step: each step's result is saved, and a later attempt takes it from there instead of
//! doing the step again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use satchel_shared::domain::{
    Actor, EventId, EventName, IdempotencyKey, JobId, Priority, RequestId, Role, Scopes, UserId,
};
use satchel_shared::envelope::{Envelope, EnvelopeKey};
use satchel_shared::jobs::{Job, SendEvent};
use satchel_shared::queue::Queue;
use satchel_shared::store::Pool;
use satchel_shared::store::functions::claims::Claimed;
use satchel_shared::store::functions::steps::{self, Saved, SavedStep, StepKey};
use satchel_shared::store::jobs::{self, JobStatus};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use uuid::Uuid;

use super::Registered;
use super::failure::{Failure, Kind};

/// The largest result of a step, in bytes of its JSON.
const MAX_RESULT_BYTES: usize = 1 << 20;
/// The longest id of a step, in bytes.
const MAX_ID_BYTES: usize = 200;
/// Most steps of one run.
const MAX_STEPS: usize = 1_000;
/// How long an attempt waits for a job's outcome before the run sleeps instead.
const JOB_PATIENCE: Duration = Duration::from_secs(2);
/// How often it looks for the outcome meanwhile, at first; the wait doubles.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// How long the run sleeps then.
const JOB_NAP: Duration = Duration::from_secs(5);

/// Where a worker's functions find what they need.
pub(crate) struct Surroundings {
    pub(crate) pool: Pool,
    pub(crate) queue: Arc<dyn Queue>,
    /// Signs jobs that functions submit.
    pub(crate) envelope_key: EnvelopeKey,
}

/// The steps of one attempt. See the module.
pub struct Steps<'r> {
    surroundings: &'r Surroundings,
    registered: &'r Registered,
    run: &'r Claimed,
    saved: HashMap<StepKey, Box<RawValue>>,
    /// How often each id was used in this attempt.
    uses: HashMap<[u8; 32], i32>,
    /// The database's clock when the attempt began, and when that was here.
    began: (DateTime<Utc>, std::time::Instant),
}

/// A step that is being done.
#[derive(Debug, Clone)]
pub struct Step {
    key: StepKey,
    id: String,
    /// The same for each time that the step is done, however often that is: for receivers, to tell repetitions apart.
    pub idempotency_key: String,
}

/// What came of a job that a step submitted.
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

impl<'r> Steps<'r> {
    pub(super) fn new(
        surroundings: &'r Surroundings,
        registered: &'r Registered,
        run: &'r Claimed,
        saved: Vec<SavedStep>,
    ) -> Self {
        let saved = saved.into_iter().map(|step| (step.key, step.result)).collect();
        Self { surroundings, registered, run, saved, uses: HashMap::new(), began: run.begun }
    }

    /// For whom the run is, where the function has several receivers.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.run.target
    }

    /// The run's id: the same in all its attempts.
    #[must_use]
    pub fn run_id(&self) -> Uuid {
        self.run.run_id.as_uuid()
    }

    /// Whether an earlier attempt has done the step that is the first of its id.
    #[must_use]
    pub fn is_done(&self, id: &str) -> bool {
        self.saved.contains_key(&StepKey { hash: Sha256::digest(id).into(), nth: 0 })
    }

    /// For functions of Satchel's own that know the store.
    pub(super) fn pool(&self) -> &Pool {
        &self.surroundings.pool
    }

    /// The run as it was begun.
    pub(super) fn claimed(&self) -> &Claimed {
        self.run
    }

    /// The database's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.began.0 + TimeDelta::from_std(self.began.1.elapsed()).unwrap_or_default()
    }

    /// Does a step, unless an earlier attempt has: then its result is that one's. Steps are told apart by their ids, and
    /// those of one id by their order.
    ///
    /// # Errors
    /// The step's own [`Failure`]; if the result is larger than 1 MiB, or is not what was saved under the id; if the run is
    /// to end.
    pub async fn run<T, F>(&mut self, id: &str, work: impl FnOnce(Step) -> F) -> Result<T, Failure>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<T, Failure>>,
    {
        let step = self.begin(id)?;
        if let Some(saved) = self.saved.get(&step.key) {
            return read(id, saved);
        }
        let result = work(step.clone()).await?;
        self.save(&step, &result).await
    }

    /// Lets time pass, however long: the run sleeps meanwhile, and no worker waits.
    ///
    /// # Errors
    /// While it sleeps; if the run is to end.
    pub async fn sleep(&mut self, id: &str, duration: Duration) -> Result<(), Failure> {
        let step = self.begin(id)?;
        let until: DateTime<Utc> = if let Some(saved) = self.saved.get(&step.key) {
            read(id, saved)?
        } else {
            let duration = TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
            let until = self.now().checked_add_signed(duration).unwrap_or(DateTime::<Utc>::MAX_UTC);
            self.save(&step, &until.trunc_subsecs(6)).await?
        };
        if until <= self.now() { Ok(()) } else { Err(Failure(Kind::Sleeping(until))) }
    }

    /// Tells of one of the game's own events, which is then rewarded and heard as any other. It is told of once; its id is
    /// the step's [`Step::idempotency_key`].
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
        if let Some(saved) = self.saved.get(&step.key) {
            return read(id, saved);
        }
        let event = SendEvent { event_id: EventId::parse(&step.idempotency_key)?, name, data, at: None };
        let work = event.into();
        let job = Job { user_id, reason: None, priority: Priority::default(), not_before: None, work };
        let job_id = self.submit(&step, job).await?;
        self.save(&step, &job_id).await
    }

    /// Submits a job and waits for its outcome, however long that takes. The job is submitted once.
    ///
    /// # Errors
    /// While it waits; if Redis or Postgres is away, or the run is to end. A job that is rejected is no failure.
    pub async fn submit_job(&mut self, id: &str, job: Job) -> Result<JobOutcome, Failure> {
        let step = self.begin(id)?;
        if let Some(saved) = self.saved.get(&step.key) {
            return read(id, saved);
        }
        let job_id = self.job_id(&step);
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

    fn begin(&mut self, id: &str) -> Result<Step, Failure> {
        if id.is_empty() || id.len() > MAX_ID_BYTES || id.contains('\0') {
            return Err(Failure::last(format!("a step's id must have 1 to {MAX_ID_BYTES} bytes, none of them 0")));
        }
        if self.uses.values().map(|uses| usize::try_from(*uses).unwrap_or_default()).sum::<usize>() >= MAX_STEPS {
            return Err(Failure::last(format!("a run has at most {MAX_STEPS} steps")));
        }
        let hash: [u8; 32] = Sha256::digest(id).into();
        let uses = self.uses.entry(hash).or_default();
        let key = StepKey { hash, nth: *uses };
        *uses += 1;
        let idempotency_key = idempotency_key(self.run, &key);
        Ok(Step { key, id: id.to_owned(), idempotency_key })
    }

    /// Saves a result; the one that counts, if an earlier attempt has come first after all.
    async fn save<T: Serialize + DeserializeOwned>(&self, step: &Step, result: &T) -> Result<T, Failure> {
        let json = to_raw_value(result)?;
        let bytes = json.get().len();
        if bytes > MAX_RESULT_BYTES {
            let id = &step.id;
            return Err(Failure::last(format!(
                "the result of step {id} has {bytes} bytes, more than {MAX_RESULT_BYTES}"
            )));
        }
        let saved = steps::save(&self.surroundings.pool, self.run, &step.key, &step.id, &json).await;
        match saved.map_err(|error| Failure(Kind::Store(error)))? {
            Saved::Result(result) => read(&step.id, &result),
            Saved::Cancelled => Err(Failure(Kind::Cancelled)),
            Saved::Lost => Err(Failure(Kind::Lost)),
        }
    }

    /// The id of the job that a step submits: the same however often that is.
    fn job_id(&self, step: &Step) -> JobId {
        match IdempotencyKey::parse(&step.idempotency_key) {
            Ok(key) => JobId::of_key(&self.subject(), &key),
            // It is a UUID, and so it is one.
            Err(_) => JobId::random(),
        }
    }

    fn subject(&self) -> String {
        format!("function:{}", self.registered.id)
    }

    async fn submit(&self, step: &Step, job: Job) -> Result<JobId, Failure> {
        let job_id = self.job_id(step);
        let envelope = Envelope {
            job_id,
            job,
            actor: Actor::new(Role::Service, &self.subject(), Scopes::all())?,
            request_id: RequestId::parse(&self.run.run_id.to_string())?,
            submitted_at: self.now().trunc_subsecs(6),
            reply_to: None,
            journaled: false,
        };
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

fn read<T: DeserializeOwned>(id: &str, saved: &RawValue) -> Result<T, Failure> {
    serde_json::from_str(saved.get())
        .map_err(|error| Failure::last(format!("the saved result of step {id} is another than it was: {error}")))
}

/// A UUID of version 8 over run and step.
fn idempotency_key(run: &Claimed, key: &StepKey) -> String {
    let mut hash = Sha256::new();
    hash.update(b"satchel/step/1\0");
    hash.update(run.run_id.as_uuid());
    hash.update(key.hash);
    hash.update(key.nth.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
    Uuid::new_v8(bytes).to_string()
}
