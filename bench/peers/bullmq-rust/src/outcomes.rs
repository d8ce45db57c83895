//! Requests that wait for the outcome of their job.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bullmq::{QueueEvent, QueueEvents, QueueEventsOptions};
use tokio::sync::OnceCell;
use tokio::sync::oneshot::{Receiver, Sender, channel};
use tokio::time::timeout;

use crate::queue::{self, QUEUE};

type Waiting = Arc<Mutex<HashMap<String, Sender<String>>>>;

/// Who waits for which job. The queue's events are read from the first who waits on.
#[derive(Default)]
pub(crate) struct Outcomes {
    waiting: Waiting,
    listening: OnceCell<()>,
}

impl Outcomes {
    /// To be called before the job is added; the outcome is JSON.
    pub(crate) async fn expect(&self, job_id: &str) -> Result<Receiver<String>> {
        self.listening.get_or_try_init(|| listen(Arc::clone(&self.waiting))).await?;
        let (sender, receiver) = channel();
        lock(&self.waiting).insert(job_id.to_owned(), sender);
        Ok(receiver)
    }

    /// The outcome, if it comes in time.
    pub(crate) async fn wait(&self, job_id: &str, outcome: Receiver<String>, patience: Duration) -> Option<String> {
        let outcome = timeout(patience, outcome).await.ok().and_then(Result::ok);
        if outcome.is_none() {
            lock(&self.waiting).remove(job_id);
        }
        outcome
    }
}

async fn listen(waiting: Waiting) -> Result<()> {
    // From the oldest: with `$`, what comes before the first read is lost.
    let from = Some("0".to_owned());
    let options = QueueEventsOptions { connection: queue::connection()?, last_event_id: from, ..Default::default() };
    let events = QueueEvents::with_options(QUEUE, options).await?;
    tokio::spawn(async move {
        while let Some(entry) = events.next_event().await {
            match entry.event {
                QueueEvent::Completed { job_id, return_value, .. } => {
                    let waiter = lock(&waiting).remove(&job_id);
                    // Who has given up needs no answer.
                    let _ = waiter.map(|waiter| waiter.send(return_value));
                }
                QueueEvent::Error { message } => eprintln!("bullmq: {message}"),
                _ => {}
            }
        }
    });
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
