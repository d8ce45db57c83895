//! One attempt of one run, from what is known of it to how it ends.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use satchel_model::ids::FunctionId;
use satchel_store::functions::claims::Claimed;
use satchel_store::functions::steps::{self, Ending, Loaded};
use satchel_store::{Blame, StoreError};
use satchel_tasks::Backoff;

use crate::deadline::soon;
use crate::failure::{Failure, Kind};
use crate::function::Registered;
use crate::steps::{Steps, Surroundings};
use crate::{Policy, Registry};

/// Most tries to write the end of an attempt while Postgres is away. Then the run is left to whoever finds it.
const MAX_FINISH_ATTEMPTS: u32 = 5;
const FINISH_BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(8));

/// Why nothing came of an attempt: it will begin anew.
enum Abandoned {
    Lost,
    Store(StoreError),
}

/// Does one attempt and writes how it ended.
pub(crate) async fn attempt(
    surroundings: Arc<Surroundings>,
    registry: Arc<Registry>,
    function_id: FunctionId,
    run: Claimed,
) {
    let Some(registered) = registry.get(function_id.as_str()) else { return };
    let (ending, event_id) = match one(&surroundings, registered, &run).await {
        Ok(ended) => ended,
        Err(Abandoned::Lost) => {
            tracing::warn!(run.id = %run.run_id, function.id = %function_id, "another worker has taken the run over");
            return;
        }
        Err(Abandoned::Store(error)) => {
            tracing::warn!(run.id = %run.run_id, function.id = %function_id, %error, "a run is begun anew later");
            return;
        }
    };
    tell(&function_id, &run, &ending);
    let mut retries = FINISH_BACKOFF.retries();
    loop {
        let finish = steps::finish(&surroundings.pool, &function_id, &run, event_id.as_deref(), &ending);
        match soon(finish).await {
            Ok(_) => return,
            Err(error) if retries.failures() + 1 >= MAX_FINISH_ATTEMPTS => {
                tracing::warn!(run.id = %run.run_id, %error, "the end of a run cannot be written: it is begun anew later");
                return;
            }
            Err(_) => retries.wait().await,
        }
    }
}

/// The attempt's ending, and the event's id.
async fn one(
    surroundings: &Surroundings,
    registered: &Registered,
    run: &Claimed,
) -> Result<(Ending, Option<String>), Abandoned> {
    let policy = &registered.policy;
    let Loaded { event, steps: saved } = match soon(steps::load(&surroundings.pool, run)).await {
        Ok(loaded) => loaded,
        Err(error) => return Ok((of_store(error, policy, run)?, None)),
    };
    let Some(event) = event else {
        return Ok((Ending::Failed("the event is not kept any more".to_owned()), None));
    };
    if !event.is_whole() {
        let error = "what the event tells is not known any more: its job is gone".to_owned();
        return Ok((Ending::Failed(error), Some(event.id)));
    }
    let mut steps = Steps::new(surroundings, &registered.id, run, saved);
    let handled = AssertUnwindSafe(registered.function.handle(&event, &mut steps)).catch_unwind();
    let outcome = match tokio::time::timeout(policy.timeout, handled).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Failure::retriable("the function panicked")),
        Err(_) => Err(Failure::retriable(format!("the attempt took longer than {} s", policy.timeout.as_secs()))),
    };
    let ending = match outcome {
        Ok(()) => Ending::Succeeded,
        Err(Failure(Kind::Sleeping(until))) => Ending::Sleeping(until),
        Err(Failure(Kind::PutOff(until))) => Ending::PutOff(until),
        Err(Failure(Kind::Cancelled)) => Ending::Cancelled,
        Err(Failure(Kind::Permanent(error))) => Ending::Failed(error),
        Err(Failure(Kind::Retriable { error, after })) => retriable(error, after, policy, run),
        Err(Failure(Kind::Lost)) => return Err(Abandoned::Lost),
        Err(Failure(Kind::Store(error))) => of_store(error, policy, run)?,
    };
    Ok((ending, Some(event.id)))
}

fn retriable(error: String, after: Option<Duration>, policy: &Policy, run: &Claimed) -> Ending {
    match policy.next_attempt(u32::try_from(run.tries).unwrap_or(u32::MAX), after) {
        Some(wait) => Ending::Retrying(run.now() + wait, error),
        None => Ending::Failed(error),
    }
}

/// The ending by a failure of the store. Where the run's own data are to blame, they would be in each attempt, so this one
/// counts. An attempt during an outage of Postgres does not.
fn of_store(error: StoreError, policy: &Policy, run: &Claimed) -> Result<Ending, Abandoned> {
    match error.blame() {
        Blame::Job => Ok(retriable(error.reason(), None, policy, run)),
        Blame::Contention | Blame::Size | Blame::Store => Err(Abandoned::Store(error)),
    }
}

fn tell(function_id: &FunctionId, run: &Claimed, ending: &Ending) {
    let ended = match ending {
        Ending::Succeeded => "succeeded",
        Ending::Cancelled => "cancelled",
        Ending::Sleeping(_) => "sleeping",
        Ending::PutOff(_) => "put off",
        Ending::Retrying(_, error) => {
            tracing::warn!(run.id = %run.run_id, function.id = %function_id, error, "a run will be tried again");
            "retrying"
        }
        Ending::Failed(error) => {
            tracing::error!(run.id = %run.run_id, function.id = %function_id, error, "a run has failed");
            "failed"
        }
    };
    let function_id = function_id.to_string();
    metrics::counter!("satchel_worker_function_attempts_total", "function" => function_id, "ended" => ended)
        .increment(1);
}
