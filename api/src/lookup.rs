//! Looks up decided jobs for many requests at once: while one query runs, the next one's questions gather, so that a
//! flood of idempotency keys costs few queries.

use std::collections::HashMap;

use satchel_shared::domain::JobId;
use satchel_shared::store::Pool;
use satchel_shared::store::jobs::{self, JobRecord};
use tokio::sync::{mpsc, oneshot};

use crate::deadline;

/// The most requests that wait for the next query; more wait for a place.
const MAX_WAITING: usize = 4_096;
/// The most requests whose questions go into one query: at most 128,000 jobs, all of them in arrays of 1,000.
const MAX_QUESTIONS: usize = 128;

/// Where to ask. The task behind it ends with the last clone.
#[derive(Clone)]
pub(crate) struct Lookup(mpsc::Sender<Question>);

/// One request's jobs, and where it waits for what is known of them.
struct Question {
    job_ids: Vec<JobId>,
    answer: oneshot::Sender<Option<HashMap<JobId, JobRecord>>>,
}

impl Lookup {
    /// Starts answering.
    pub(crate) fn start(pool: Pool) -> Self {
        let (sender, questions) = mpsc::channel(MAX_WAITING);
        tokio::spawn(answer(pool, questions));
        Self(sender)
    }

    /// Those of the jobs that were decided; `None` if Postgres does not tell in time.
    pub(crate) async fn decided(&self, job_ids: Vec<JobId>) -> Option<HashMap<JobId, JobRecord>> {
        let (answer, told) = oneshot::channel();
        self.0.send(Question { job_ids, answer }).await.ok()?;
        told.await.ok()?
    }
}

async fn answer(pool: Pool, mut waiting: mpsc::Receiver<Question>) {
    let mut questions = Vec::with_capacity(MAX_QUESTIONS);
    while waiting.recv_many(&mut questions, MAX_QUESTIONS).await > 0 {
        let job_ids: Vec<JobId> = questions.iter().flat_map(|question| &question.job_ids).copied().collect();
        let found = deadline::hint(jobs::find_many(&pool, &job_ids)).await;
        for Question { job_ids, answer } in questions.drain(..) {
            let own = |found: &HashMap<JobId, JobRecord>| {
                job_ids.iter().filter_map(|job_id| Some((*job_id, found.get(job_id)?.clone()))).collect()
            };
            // Who has gone meanwhile needs no answer.
            let _ = answer.send(found.as_ref().map(own));
        }
    }
}
