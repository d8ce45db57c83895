//! One attempt of one run, from what is known of it to how it ends.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use satchel_shared::domain::FunctionId;
use satchel_shared::store::StoreError;
use satchel_shared::store::functions::claims::Claimed;
use satchel_shared::store::functions::steps::{self, Ending, Loaded};

use super::failure::{Failure, Kind};
use super::steps::{Steps, Surroundings};
use super::{Registered, Registry};
use crate::retry::Backoff;

/// How often the end of an attempt is written, if Postgres is away, before the run is left to whoever finds it.
const MAX_FINISH_ATTEMPTS: u32 = 5;
const FINISH_RETRY: Duration = Duration::from_millis(500);

/// Why nothing came of an attempt: it will begin anew.
enum Abandoned {
    Lost,
    Store(StoreError),
}

/// Does one attempt and writes how it ended.
pub(super) async fn attempt(
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
    let mut backoff = Backoff::new(FINISH_RETRY);
    loop {
        let finished = steps::finish(&surroundings.pool, &function_id, &run, event_id.as_deref(), &ending).await;
        match finished {
            Ok(_) => return,
            Err(error) if backoff.failures() + 1 >= MAX_FINISH_ATTEMPTS => {
                tracing::warn!(run.id = %run.run_id, %error, "the end of a run cannot be written: it is begun anew later");
                return;
            }
            Err(_) => backoff.wait().await,
        }
    }
}

/// How the attempt ends, and the event's id.
async fn one(
    surroundings: &Surroundings,
    registered: &Registered,
    run: &Claimed,
) -> Result<(Ending, Option<String>), Abandoned> {
    let Loaded { event, steps: saved } = steps::load(&surroundings.pool, run).await.map_err(Abandoned::Store)?;
    let Some(event) = event else {
        return Ok((Ending::Failed("the event is not kept any more".to_owned()), None));
    };
    let mut steps = Steps::new(surroundings, registered, run, saved);
    let policy = &registered.policy;
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
        Err(Failure(Kind::Final(error))) => Ending::Failed(error),
        Err(Failure(Kind::Retriable { error, after })) => {
            let failures = u32::try_from(run.tries).unwrap_or(u32::MAX);
            match policy.next_attempt(failures, after) {
                Some(wait) => Ending::Retrying(steps.now() + wait, error),
                None => Ending::Failed(error),
            }
        }
        Err(Failure(Kind::Lost)) => return Err(Abandoned::Lost),
        Err(Failure(Kind::Store(error))) => return Err(Abandoned::Store(error)),
    };
    Ok((ending, Some(event.id)))
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
