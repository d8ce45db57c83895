//! Requests that wait for their job's outcome (`Prefer: wait`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use satchel_model::ids::{JobId, RequestId};
use satchel_queue::Outcome;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Intake;

/// How long to leave Redis alone after the connection for outcomes was lost, in milliseconds. Until it is back,
/// those who wait are told by Postgres when their time is up.
const RECONNECT_DELAY_MS: u64 = 500;

/// What lasted longer was a connection and no attempt at one, in milliseconds.
const CONNECTED_MS: u64 = 10_000;

/// Those who wait. Two requests may have submitted under one job id, and may even bear the same request id.
type Places = HashMap<(JobId, RequestId), Vec<oneshot::Sender<Arc<RawValue>>>>;

/// Where requests wait. Only such as are being answered are in it, so their number bounds it.
pub(crate) struct WaitingRoom {
    places: Mutex<Places>,
    /// When the service ends, nobody is kept waiting.
    shutdown: CancellationToken,
}

/// One request's place in the waiting room, given up when it is dropped.
pub(crate) struct Place<'r> {
    room: &'r WaitingRoom,
    key: (JobId, RequestId),
    outcome: oneshot::Receiver<Arc<RawValue>>,
}

impl WaitingRoom {
    /// A room that everyone leaves at the shutdown.
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self { places: Mutex::default(), shutdown }
    }

    /// Waits for a job. To be called before the job is queued: outcomes that nobody waits for are forgotten.
    pub(crate) fn enter(&self, job_id: JobId, request_id: RequestId) -> Place<'_> {
        let (sender, outcome) = oneshot::channel();
        let key = (job_id, request_id);
        self.places().entry(key.clone()).or_default().push(sender);
        Place { room: self, key, outcome }
    }

    /// Tells whose request it was.
    fn deliver(&self, outcome: Outcome) {
        let senders = self.places().remove(&(outcome.job_id, outcome.request_id)).unwrap_or_default();
        let document: Arc<RawValue> = outcome.document.into();
        for sender in senders {
            // Who has gone meanwhile needs no answer.
            let _ = sender.send(document.clone());
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// The job's status document, if its outcome comes within `time` and before the shutdown.
    pub(crate) async fn wait(mut self, time: Duration) -> Option<Arc<RawValue>> {
        let outcome = tokio::time::timeout(time, &mut self.outcome);
        self.room.shutdown.run_until_cancelled(outcome).await?.ok()?.ok()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.outcome.close();
        let mut places = self.room.places();
        if let Some(senders) = places.get_mut(&self.key) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                places.remove(&self.key);
            }
        }
    }
}

/// Hears outcomes and hands them to those who wait, until the shutdown.
pub(crate) async fn hear(intake: &Intake, shutdown: CancellationToken) {
    let deliver = |outcome| intake.waiting.deliver(outcome);
    let listening = async {
        let mut is_away = false;
        loop {
            let start = Instant::now();
            if let Err(error) = intake.queue.listen(&intake.envelope_key, intake.replica, &deliver).await {
                // One line an outage: who is refused at once again has not been heard in between.
                is_away = is_away && start.elapsed() < Duration::from_millis(CONNECTED_MS);
                if !is_away {
                    tracing::warn!(%error, "outcomes are not heard until Redis is back");
                    is_away = true;
                }
            }
            tokio::time::sleep(Duration::from_millis(RECONNECT_DELAY_MS)).await;
        }
    };
    shutdown.run_until_cancelled(listening).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use satchel_wire::Fresh;

    fn outcome(job_id: JobId, request_id: &RequestId) -> Outcome {
        Outcome {
            job_id,
            request_id: request_id.clone(),
            document: RawValue::from_string(r#"{"status":"applied"}"#.to_owned()).unwrap(),
        }
    }

    #[tokio::test]
    async fn an_outcome_is_told_to_the_requests_that_it_is_for() {
        let room = WaitingRoom::new(CancellationToken::new());
        let (job_id, request_id) = (JobId::from(uuid::Uuid::now_v7()), RequestId::random());
        let (first, second) = (room.enter(job_id, request_id.clone()), room.enter(job_id, request_id.clone()));
        let other = room.enter(job_id, RequestId::random());
        room.deliver(outcome(job_id, &request_id));
        assert_eq!(first.wait(Duration::ZERO).await.unwrap().get(), r#"{"status":"applied"}"#);
        assert!(second.wait(Duration::ZERO).await.is_some());
        assert!(other.wait(Duration::ZERO).await.is_none());
    }

    #[tokio::test]
    async fn who_goes_leaves_nothing_behind() {
        let room = WaitingRoom::new(CancellationToken::new());
        let key = (JobId::from(uuid::Uuid::now_v7()), RequestId::random());
        let (first, second) = (room.enter(key.0, key.1.clone()), room.enter(key.0, key.1.clone()));
        assert!(first.wait(Duration::from_millis(1)).await.is_none());
        assert_eq!(room.places().get(&key).unwrap().len(), 1);
        drop(second);
        assert!(room.places().is_empty());
    }

    #[tokio::test]
    async fn nobody_is_kept_waiting_at_the_shutdown() {
        let shutdown = CancellationToken::new();
        let room = WaitingRoom::new(shutdown.clone());
        let place = room.enter(JobId::from(uuid::Uuid::now_v7()), RequestId::random());
        shutdown.cancel();
        assert!(place.wait(Duration::MAX).await.is_none());
    }
}
