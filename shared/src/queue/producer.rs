//! Putting jobs into the queue.

use redis::Pipeline;

use super::{Pending, Queue, QueueError, keys};
use crate::envelope::{Envelope, EnvelopeKey};

impl Queue {
    /// Signs and appends jobs to their shards' streams, in this order. Each `Ok` is durable, as far as Redis is
    /// set up so (`appendfsync always`): the answer comes after the write to disk.
    ///
    /// A job that is already queued or decided may be queued again: the second time is a no-op for the worker.
    ///
    /// # Errors
    /// If Redis as a whole is away; then any of the jobs may have been queued all the same. The inner
    /// results tell apart what Redis refused.
    pub async fn enqueue(
        &self,
        key: &EnvelopeKey,
        envelopes: &[Envelope],
    ) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        if envelopes.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(2 * envelopes.len());
        for envelope in envelopes {
            // First the record, so that there is one as long as the job waits.
            Pending::of(envelope).set_queued(self.shards, &mut pipeline);
            let sealed = key.seal(envelope);
            pipeline
                .cmd("XADD")
                .arg(keys::jobs(self.shards.of_user(&envelope.job.user_id)))
                .arg("*")
                .arg("v")
                .arg(sealed.version)
                .arg("body")
                .arg(sealed.body)
                .arg("mac")
                .arg(sealed.mac);
        }
        let answers = self.connection()?.run_each::<redis::Value>(&mut pipeline).await?;
        // Two answers a job. One whose record was refused is not answered for, even if its entry was taken.
        let mut answers = answers.into_iter();
        let mut next = || answers.next().unwrap_or_else(|| Err(QueueError::no_answer())).map(drop);
        Ok(envelopes
            .iter()
            .map(|_| {
                let (recorded, added) = (next(), next());
                recorded.and(added)
            })
            .collect())
    }
}
