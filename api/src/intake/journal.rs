//! Keeping jobs in Postgres's journal, from where workers feed the queue with whatever it forgot.
//!
//! The jobs of many requests go into one statement: while one is under way, the next one's jobs gather. There is one
//! statement at a time, so that the journal has each player's jobs in the order in which they were accepted.

use std::time::Duration;

use satchel_model::ids::{Shard, ShardCount};
use satchel_model::operations::Envelope;
use satchel_model::operations::PayloadHash;
use satchel_store::Pool;
use satchel_store::journal::{self, Appended, JournalEntry};
use satchel_wire::envelope::EnvelopeKey;
use tokio::sync::{mpsc, oneshot};

use super::{Feed, Intake};
use crate::http::deadline;
use crate::http::problem::{ApiError, Store};

/// The most requests that wait for the next statement; more wait for a place.
const MAX_WAITING: usize = 4_096;
/// A statement with so many jobs takes no further request's. The last one's may be an array of 1,000.
const MAX_STATEMENT_JOBS: usize = 2_000;
/// No request waits longer than this to be told, in milliseconds: for the statement under way and for its own.
const APPEND_DEADLINE_MS: u64 = 5_000;

/// Where to put accepted jobs. The task behind it ends with the last clone.
#[derive(Clone)]
pub(crate) struct Journal {
    requests: mpsc::Sender<Request>,
    shards: ShardCount,
}

/// A job to keep.
struct Job {
    envelope: Envelope,
    payload_hash: PayloadHash,
    shard: Shard,
}

/// What came of each of a request's jobs.
type Answer = Result<Vec<Appended>, ApiError>;

/// One request's jobs, and where it waits to be told.
struct Request {
    jobs: Vec<Job>,
    answer: oneshot::Sender<Answer>,
}

impl Journal {
    /// Starts keeping jobs in the journal, signed by `key`, and giving them to `feed`.
    pub(crate) fn start(pool: Pool, shards: ShardCount, key: EnvelopeKey, feed: Feed) -> Self {
        let (requests, waiting) = mpsc::channel(MAX_WAITING);
        tokio::spawn(work(pool, key, waiting, feed));
        Self { requests, shards }
    }

    async fn append(&self, jobs: Vec<Job>) -> Answer {
        let (answer, told) = oneshot::channel();
        let appended = async {
            self.requests.send(Request { jobs, answer }).await.ok()?;
            told.await.ok()
        };
        let appended = tokio::time::timeout(Duration::from_millis(APPEND_DEADLINE_MS), appended).await;
        appended.ok().flatten().unwrap_or(Err(ApiError::Unavailable(Store::Database)))
    }
}

impl Job {
    fn of(mut envelope: Envelope, shards: ShardCount) -> Self {
        envelope.journaled = true;
        let (payload_hash, shard) = (envelope.job.payload_hash(), shards.of_user(&envelope.job.user_id));
        Self { envelope, payload_hash, shard }
    }

    fn entry<'j>(&'j self, key: &'j EnvelopeKey) -> JournalEntry<'j> {
        JournalEntry { envelope: &self.envelope, payload_hash: self.payload_hash, shard: self.shard, key }
    }
}

/// What came of keeping a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    New,
    /// It was kept before.
    Again,
    /// Another job has its id.
    Other,
}

/// Keeps the jobs of one request and answers for each.
///
/// # Errors
/// 503 if Postgres does not say in time that it has them; it may have them all the same.
pub(super) async fn keep(
    intake: &Intake,
    journal: &Journal,
    incoming: Vec<Envelope>,
) -> Result<Vec<Result<Kept, ApiError>>, ApiError> {
    let jobs: Vec<Job> = incoming.into_iter().map(|envelope| Job::of(envelope, journal.shards)).collect();
    let types: Vec<&'static str> = jobs.iter().map(|job| job.envelope.job.work.name()).collect();
    let appended = journal.append(jobs).await.inspect_err(|_| intake.meters.journal_unavailable.increment(1))?;
    let kept = appended.into_iter().zip(types).map(|(appended, job_type)| {
        let kept = match appended {
            Appended::New => Kept::New,
            Appended::Known { same: true } => Kept::Again,
            Appended::Known { same: false } => return Ok(Kept::Other),
        };
        intake.meters.accepted(job_type);
        Ok(kept)
    });
    Ok(kept.collect())
}

async fn work(pool: Pool, key: EnvelopeKey, mut waiting: mpsc::Receiver<Request>, feed: Feed) {
    while let Some(first) = waiting.recv().await {
        let requests = gather(first, &mut waiting);
        let mut jobs = Vec::with_capacity(requests.iter().map(|request| request.jobs.len()).sum());
        let mut answers = Vec::with_capacity(requests.len());
        for Request { jobs: own, answer } in requests {
            answers.push((own.len(), answer));
            jobs.extend(own);
        }
        if jobs.is_empty() {
            continue;
        }
        let entries: Vec<JournalEntry<'_>> = jobs.iter().map(|job| job.entry(&key)).collect();
        let appended = deadline::answer(journal::append(&pool, &entries)).await;
        if let Ok(appended) = &appended {
            feed.offer(jobs.into_iter().map(|job| job.envelope), appended).await;
        }
        tell(answers, appended);
    }
}

/// The first request and those that wait already, without those that nobody waits for any more: they were told that
/// nothing was accepted.
fn gather(first: Request, waiting: &mut mpsc::Receiver<Request>) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut jobs = 0;
    let mut next = Some(first);
    while let Some(request) = next {
        if !request.answer.is_closed() {
            jobs += request.jobs.len();
            requests.push(request);
        }
        next = if jobs < MAX_STATEMENT_JOBS { waiting.try_recv().ok() } else { None };
    }
    requests
}

/// Tells each request what came of its jobs. Who has gone meanwhile needs no answer.
fn tell(answers: Vec<(usize, oneshot::Sender<Answer>)>, appended: Answer) {
    let mut appended = appended.map(Vec::into_iter);
    for (count, answer) in answers {
        let own = match &mut appended {
            Ok(appended) => Ok(appended.by_ref().take(count).collect()),
            Err(error) => Err(error.clone()),
        };
        let _ = answer.send(own);
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use satchel_forms::{Node, Pointer};
    use satchel_model::access::{Actor, Role, Scopes};
    use satchel_model::ids::{JobId, RequestId};
    use satchel_model::operations::Submission;
    use satchel_wire::Fresh;

    use super::*;

    fn request(jobs: usize) -> (Request, oneshot::Receiver<Answer>) {
        let (answer, told) = oneshot::channel();
        (Request { jobs: (0..jobs).map(|_| job()).collect(), answer }, told)
    }

    fn job() -> Job {
        let text = br#"{"type":"use_item","userId":"u1","itemId":"key"}"#;
        let envelope = Envelope {
            job_id: JobId::from(uuid::Uuid::now_v7()),
            job: Submission::parse(Node::parse(text).unwrap(), Pointer::root()).unwrap().job,
            actor: Actor::new(Role::Service, "game", Scopes::all()).unwrap(),
            request_id: RequestId::random(),
            submitted_at: DateTime::UNIX_EPOCH,
            reply_to: None,
            journaled: false,
        };
        Job::of(envelope, ShardCount::new(1).unwrap())
    }

    #[test]
    fn what_is_kept_says_so_of_itself() {
        assert!(job().envelope.journaled);
    }

    #[test]
    fn a_statement_takes_what_waits_up_to_its_bound_and_nothing_of_those_who_left() {
        let (sender, mut waiting) = mpsc::channel(8);
        let (first, _told) = request(1);
        let (left, _) = request(5);
        let (second, _told_too) = request(MAX_STATEMENT_JOBS);
        let (third, _told_last) = request(1);
        for request in [left, second, third] {
            sender.try_send(request).unwrap();
        }
        let sizes = |requests: Vec<Request>| requests.iter().map(|request| request.jobs.len()).collect::<Vec<_>>();
        assert_eq!(sizes(gather(first, &mut waiting)), [1, MAX_STATEMENT_JOBS]);
        assert!(waiting.try_recv().is_ok(), "the third one waits for the next statement");
    }

    #[test]
    fn each_request_is_told_of_its_own_jobs() {
        let (first, second) = (oneshot::channel(), oneshot::channel());
        let appended = vec![Appended::New, Appended::Known { same: true }, Appended::New];
        tell(vec![(1, first.0), (2, second.0)], Ok(appended));
        let count = |mut told: oneshot::Receiver<Answer>| told.try_recv().unwrap().unwrap();
        assert!(matches!(count(first.1)[..], [Appended::New]));
        assert!(matches!(count(second.1)[..], [Appended::Known { same: true }, Appended::New]));
    }

    #[test]
    fn a_failed_statement_fails_every_request_of_it() {
        let (first, second) = (oneshot::channel(), oneshot::channel());
        tell(vec![(1, first.0), (1, second.0)], Err(ApiError::Unavailable(Store::Database)));
        for mut told in [first.1, second.1] {
            assert!(matches!(told.try_recv().unwrap(), Err(ApiError::Unavailable(Store::Database))));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_request_waits_for_a_statement_without_end() {
        let (requests, mut never_served) = mpsc::channel(1);
        let journal = Journal { requests, shards: ShardCount::new(1).unwrap() };
        assert!(matches!(journal.append(vec![job()]).await, Err(ApiError::Unavailable(Store::Database))));
        assert!(never_served.recv().await.unwrap().answer.is_closed());
    }
}
