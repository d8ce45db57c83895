//! Gives journaled jobs to the queue, as a rule without anybody waiting for it: they are safe already, and what the queue does
//! not get now, because it is away or too much waits here, workers feed it from the journal.

use std::sync::Arc;

use metrics::Counter;
use satchel_model::operations::Envelope;
use satchel_queue::Queue;
use satchel_store::journal::Appended;
use satchel_wire::envelope::EnvelopeKey;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::JournalMode;
use crate::http::problem::ApiError;

/// The most jobs that wait to be queued, of about 8 KiB for the largest valid one.
const MAX_WAITING_JOBS: usize = 8_192;
/// The most jobs that go into the queue in one round trip.
const MAX_JOBS: usize = 1_000;

/// Where to put journaled jobs.
pub(crate) enum Feed {
    /// Where they wait to be queued.
    Later {
        /// To the task that does it.
        jobs: mpsc::Sender<Envelope>,
        /// Counts what did not get there.
        unfed: Counter,
    },
    /// In the queue, before anybody is answered: of an API that follows others in keeping a journal, and may end to at any
    /// time. What came later, and is not journaled, must not come into the queue before.
    AtOnce(Way),
}

/// The way into the queue.
pub(crate) struct Way {
    queue: Arc<dyn Queue>,
    key: EnvelopeKey,
    /// Counts what did not get there.
    unfed: Counter,
}

impl Feed {
    /// Starts feeding the queue, as an API does that is set so; `unfed` counts what did not get there. The task, if there is
    /// one, ends with the feed when all is done.
    pub(crate) fn start(
        set: JournalMode,
        queue: Arc<dyn Queue>,
        key: EnvelopeKey,
        unfed: Counter,
    ) -> (Self, Option<JoinHandle<()>>) {
        if set == JournalMode::None {
            return (Self::AtOnce(Way { queue, key, unfed }), None);
        }
        let (jobs, waiting) = mpsc::channel(MAX_WAITING_JOBS);
        let feeding = tokio::spawn(work(Way { queue, key, unfed: unfed.clone() }, waiting));
        (Self::Later { jobs, unfed }, Some(feeding))
    }

    /// Takes those jobs that the journal has now; also those that it had already, since the request that brought them
    /// there may have ended before they were queued, and whoever repeats it may wait for the outcome.
    pub(super) async fn offer(&self, jobs: impl Iterator<Item = Envelope>, appended: &[Appended]) {
        let kept = jobs.zip(appended).filter(|(_, appended)| !matches!(appended, Appended::Known { same: false }));
        let kept = kept.map(|(job, _)| job);
        match self {
            Self::Later { jobs, unfed } => {
                for job in kept {
                    if jobs.try_send(job).is_err() {
                        unfed.increment(1);
                    }
                }
            }
            Self::AtOnce(way) => {
                let kept: Vec<Envelope> = kept.collect();
                if !kept.is_empty() {
                    way.enqueue(&kept).await;
                }
            }
        }
    }
}

impl Way {
    async fn enqueue(&self, jobs: &[Envelope]) {
        let refused = match self.queue.enqueue(&self.key, jobs).await {
            Ok(results) => results.iter().filter_map(|result| result.as_ref().err()).map(ApiError::of_queue).count(),
            Err(error) => {
                ApiError::of_queue(&error);
                jobs.len()
            }
        };
        self.unfed.increment(refused as u64);
    }
}

async fn work(way: Way, mut waiting: mpsc::Receiver<Envelope>) {
    let mut jobs = Vec::with_capacity(MAX_JOBS);
    while waiting.recv_many(&mut jobs, MAX_JOBS).await > 0 {
        way.enqueue(&jobs).await;
        jobs.clear();
    }
}
