//! Telling the API replica that waits how a job ended.
//!
//! Messages are signed like envelopes: whoever can write to Redis must not be able to tell a client that a job
//! was applied. They may be lost; the API then finds the outcome in Postgres.

use std::time::Duration;

use futures_util::StreamExt;
use redis::{Msg, Pipeline};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Queue, QueueError, keys};
use crate::domain::{JobId, RequestId, raw};
use crate::envelope::{EnvelopeKey, ReplicaId};

/// How often a silent connection is asked whether it lives, in milliseconds.
const PING_INTERVAL_MS: u64 = 5_000;

/// How a job ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The job.
    pub job_id: JobId,
    /// The request that waits: two may have submitted under the same id.
    pub request_id: RequestId,
    /// Its status document, as `GET /jobs/{jobId}` shows it.
    pub document: Box<RawValue>,
}

/// Adds one message with all outcomes that a replica waits for to a pipeline.
pub(super) fn publish(key: &EnvelopeKey, replica: ReplicaId, outcomes: &[Outcome], pipeline: &mut Pipeline) {
    let message = key.sign_message(raw(&outcomes).get().as_bytes());
    pipeline.cmd("PUBLISH").arg(keys::outcomes(replica)).arg(message);
}

/// What an API replica hears.
pub struct Outcomes {
    queue: Queue,
    key: EnvelopeKey,
    replica: ReplicaId,
}

impl Queue {
    /// The outcomes for jobs whose envelopes say that `replica` waits.
    #[must_use]
    pub fn outcomes(&self, key: EnvelopeKey, replica: ReplicaId) -> Outcomes {
        Outcomes { queue: self.clone(), key, replica }
    }
}

impl Outcomes {
    /// Hands each outcome to `deliver` until the connection is lost.
    ///
    /// # Errors
    /// The loss. Call it again; what was published in between is not repeated.
    pub async fn listen(&self, deliver: impl Fn(Outcome)) -> Result<(), QueueError> {
        let deadline = self.queue.deadline();
        let connected = tokio::time::timeout(deadline, self.queue.client.get_async_pubsub()).await;
        let (mut sink, mut messages) = connected.map_err(|_| QueueError::no_answer())??.split();
        let subscribed = tokio::time::timeout(deadline, sink.subscribe(keys::outcomes(self.replica))).await;
        subscribed.map_err(|_| QueueError::no_answer())??;
        loop {
            match tokio::time::timeout(Duration::from_millis(PING_INTERVAL_MS), messages.next()).await {
                Ok(Some(message)) => self.open(&message).into_iter().for_each(&deliver),
                Ok(None) => return Err(QueueError::Unavailable((redis::ErrorKind::Io, "connection closed").into())),
                Err(_) => {
                    let alive = tokio::time::timeout(deadline, sink.ping::<redis::Value>()).await;
                    alive.map_err(|_| QueueError::no_answer())??;
                }
            }
        }
    }

    fn open(&self, message: &Msg) -> Vec<Outcome> {
        let body = self.key.open_message(message.get_payload_bytes());
        let outcomes = body.and_then(|body| serde_json::from_slice(body).ok());
        if outcomes.is_none() {
            tracing::warn!("an outcome message that is not signed by a worker was passed over");
        }
        outcomes.unwrap_or_default()
    }
}
