//! The steps of a function: each one's result is saved, and a later attempt takes it from there instead of
//! doing the step again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use satchel_model::ids::FunctionId;
use satchel_queue::Queue;
use satchel_store::Pool;
use satchel_store::functions::claims::Claimed;
use satchel_store::functions::steps::{self, Saved, SavedStep, StepKey};
use satchel_wire::envelope::EnvelopeKey;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::failure::{Failure, Kind};

/// The largest result of a step, in bytes of its JSON.
const MAX_RESULT_BYTES: usize = 1 << 20;
/// The longest id of a step, in bytes.
const MAX_ID_BYTES: usize = 200;
/// Most steps of one run.
const MAX_STEPS: usize = 1_000;

/// The means that all runs of a worker share.
pub struct Surroundings {
    /// Connections that all runs share.
    pub pool: Pool,
    /// Takes the jobs that functions submit.
    pub queue: Arc<dyn Queue>,
    /// Signs jobs that functions submit.
    pub envelope_key: EnvelopeKey,
}

/// The steps of one attempt. See the module.
pub struct Steps<'r> {
    pub(crate) surroundings: &'r Surroundings,
    pub(crate) function_id: &'r FunctionId,
    pub(crate) run: &'r Claimed,
    saved: HashMap<StepKey, Box<RawValue>>,
    /// Uses of each id in this attempt.
    uses: HashMap<[u8; 32], i32>,
}

/// A step that is being done.
#[derive(Debug, Clone)]
pub struct Step {
    key: StepKey,
    id: String,
    /// The same for each time that the step is done, however often that is: for receivers, to tell repetitions apart.
    pub idempotency_key: String,
}

impl<'r> Steps<'r> {
    pub(crate) fn new(
        surroundings: &'r Surroundings,
        function_id: &'r FunctionId,
        run: &'r Claimed,
        saved: Vec<SavedStep>,
    ) -> Self {
        let saved = saved.into_iter().map(|step| (step.key, step.result)).collect();
        Self { surroundings, function_id, run, saved, uses: HashMap::new() }
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

    /// The store, for functions of Satchel's own.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.surroundings.pool
    }

    /// The run as it was begun.
    #[must_use]
    pub fn claimed(&self) -> &Claimed {
        self.run
    }

    /// The database's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.run.now()
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
        if let Some(result) = self.done(&step)? {
            return Ok(result);
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
        let until: DateTime<Utc> = if let Some(until) = self.done(&step)? {
            until
        } else {
            let duration = TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
            let until = self.now().checked_add_signed(duration).unwrap_or(DateTime::<Utc>::MAX_UTC);
            self.save(&step, &until.trunc_subsecs(6)).await?
        };
        if until <= self.now() { Ok(()) } else { Err(Failure(Kind::Sleeping(until))) }
    }

    /// The step's result, if an earlier attempt has saved one.
    pub(crate) fn done<T: DeserializeOwned>(&self, step: &Step) -> Result<Option<T>, Failure> {
        self.saved.get(&step.key).map(|saved| read(&step.id, saved)).transpose()
    }

    /// The next use of an id.
    pub(crate) fn begin(&mut self, id: &str) -> Result<Step, Failure> {
        if id.is_empty() || id.len() > MAX_ID_BYTES || id.contains('\0') {
            return Err(Failure::permanent(format!("a step's id must have 1 to {MAX_ID_BYTES} bytes, none of them 0")));
        }
        if self.uses.values().map(|uses| usize::try_from(*uses).unwrap_or_default()).sum::<usize>() >= MAX_STEPS {
            return Err(Failure::permanent(format!("a run has at most {MAX_STEPS} steps")));
        }
        let hash: [u8; 32] = Sha256::digest(id).into();
        let uses = self.uses.entry(hash).or_default();
        let key = StepKey { hash, nth: *uses };
        *uses += 1;
        let idempotency_key = idempotency_key(self.run, &key);
        Ok(Step { key, id: id.to_owned(), idempotency_key })
    }

    /// Saves a result; the one that counts, if an earlier attempt has come first after all.
    pub(crate) async fn save<T: Serialize + DeserializeOwned>(&self, step: &Step, result: &T) -> Result<T, Failure> {
        let json = to_raw_value(result)?;
        let bytes = json.get().len();
        if bytes > MAX_RESULT_BYTES {
            let id = &step.id;
            return Err(Failure::permanent(format!(
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
}

fn read<T: DeserializeOwned>(id: &str, saved: &RawValue) -> Result<T, Failure> {
    serde_json::from_str(saved.get())
        .map_err(|error| Failure::permanent(format!("the saved result of step {id} is another than it was: {error}")))
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
