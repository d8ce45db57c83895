//! Hearing outcomes.

use std::time::Duration;

use futures_util::StreamExt;
use redis::{ErrorKind, ServerErrorKind};
use satchel_model::ids::ReplicaId;
use satchel_wire::envelope::EnvelopeKey;

use super::client::Client;
use super::failure::no_answer;
use super::keys;
use crate::{Outcome, QueueError, outcomes};

/// How often a silent connection is asked whether it lives, in milliseconds.
const PING_INTERVAL_MS: u64 = 1_000;

/// See [`crate::Queue::listen`].
pub(super) async fn listen(
    client: &Client,
    deadline: Duration,
    key: &EnvelopeKey,
    replica: ReplicaId,
    deliver: &(dyn Fn(Outcome) + Send + Sync),
) -> Result<(), QueueError> {
    let (mut sink, mut messages) = client.subscriber(deadline).await?.split();
    let subscribed = tokio::time::timeout(deadline, sink.subscribe(keys::outcomes(replica))).await;
    subscribed.map_err(|_| no_answer::<QueueError>())??;
    loop {
        match tokio::time::timeout(Duration::from_millis(PING_INTERVAL_MS), messages.next()).await {
            Ok(Some(message)) => outcomes::open(key, message.get_payload_bytes()).into_iter().for_each(deliver),
            Ok(None) => return Err(QueueError::Unavailable("connection closed".into())),
            Err(_) => {
                let alive = tokio::time::timeout(deadline, sink.ping::<redis::Value>()).await;
                match alive.map_err(|_| no_answer::<QueueError>())? {
                    // Who may not ask has an answer as well.
                    Err(error) if error.kind() != ErrorKind::Server(ServerErrorKind::NoPerm) => {
                        return Err(error.into());
                    }
                    _ => {}
                }
            }
        }
    }
}
