//! Gives journaled jobs to the queue, without anybody waiting for it: they are safe already, and what the queue does
//! not get now, because it is away or too much waits here, workers feed it from the journal.

use std::sync::Arc;

use metrics::Counter;
use satchel_shared::envelope::{Envelope, EnvelopeKey};
use satchel_shared::queue::Queue;
use satchel_shared::store::journal::Appended;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::problem::ApiError;

/// The most jobs that wait to be queued, of about 8 KiB for the largest valid one.
const MAX_WAITING_JOBS: usize = 8_192;
/// The most jobs that go into the queue in one round trip.
const MAX_JOBS: usize = 1_000;

/// Where to put journaled jobs.
pub(crate) struct Feed {
    jobs: mpsc::Sender<Envelope>,
    unfed: Counter,
}

impl Feed {
    /// Starts feeding the queue; `unfed` counts what did not get there. The task ends, when all is done, with the feed.
    pub(crate) fn start(queue: Arc<dyn Queue>, key: EnvelopeKey, unfed: Counter) -> (Self, JoinHandle<()>) {
        let (jobs, waiting) = mpsc::channel(MAX_WAITING_JOBS);
        let feeding = tokio::spawn(work(queue, key, waiting, unfed.clone()));
        (Self { jobs, unfed }, feeding)
    }

    /// Takes those jobs that the journal has now; also those that it had already, since the request that brought them
    /// there may have ended before they were queued, and whoever repeats it may wait for the outcome.
    pub(super) fn offer(&self, jobs: impl Iterator<Item = Envelope>, appended: &[Appended]) {
        for (job, appended) in jobs.zip(appended) {
            let is_kept = !matches!(appended, Appended::Known { same: false });
            if is_kept && self.jobs.try_send(job).is_err() {
                self.unfed.increment(1);
            }
        }
    }
}

async fn work(queue: Arc<dyn Queue>, key: EnvelopeKey, mut waiting: mpsc::Receiver<Envelope>, unfed: Counter) {
    let mut jobs = Vec::with_capacity(MAX_JOBS);
    while waiting.recv_many(&mut jobs, MAX_JOBS).await > 0 {
        let refused = match queue.enqueue(&key, &jobs).await {
            Ok(results) => results.iter().filter_map(|result| result.as_ref().err()).map(ApiError::of_queue).count(),
            Err(error) => {
                ApiError::of_queue(&error);
                jobs.len()
            }
        };
        unfed.increment(refused as u64);
        jobs.clear();
    }
}
