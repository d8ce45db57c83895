//! A waiting job by its id alone, where no record of it is kept: the entry itself tells all of it.
//!
//! Such an id leads to its user's shard and has the time at which it was made, a moment before the entry was added.
//! So the entry stands where the stream has come to that time, as far as the clocks of API and Redis agree.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use redis::Value;
use satchel_model::ids::{JobId, ShardCount};
use satchel_wire::envelope;

use super::connection::Connection;
use super::{scripts, streams};
use crate::entry::EntryId;
use crate::{Pending, QueueError};

/// How far before the id's time the first look begins, in milliseconds.
const CLOCKS_APART_MS: u64 = 200;
/// How many entries the first look at a stream compares, and each further one: where clocks agree, the first finds it.
const FIRST_LOOK_ENTRIES: usize = 64;
const NEXT_LOOK_ENTRIES: usize = 500;
/// How many further looks one question is worth in each direction; Redis serves nobody else during each, for a
/// millisecond or two.
const MAX_NEXT_LOOKS: usize = 4;
/// How often questions may go on to further looks: whoever may ask for a job can make ids up.
const GO_ON_EVERY: Duration = Duration::from_millis(50);

/// Bounds how often it is looked further than once.
#[derive(Default)]
pub(super) struct Finder(Mutex<Option<Instant>>);

/// What a look came to.
enum Look {
    Found(Box<Pending>),
    /// There are more entries behind this one.
    More(EntryId),
    End,
}

/// One stream between two places.
struct Stretch {
    stream: &'static str,
    from: EntryId,
    to: EntryId,
}

impl Finder {
    /// The job, if an entry of it waits that the journal does not know.
    ///
    /// # Errors
    /// If the queue is away; or if so much waits that it is not looked for any further.
    pub(super) async fn find(
        &self,
        connection: &Connection,
        shards: ShardCount,
        job_id: JobId,
    ) -> Result<Option<Pending>, QueueError> {
        let Some(made) = job_id.as_uuid().get_timestamp() else { return Ok(None) };
        let (seconds, nanos) = made.to_unix();
        let made_ms = seconds * 1_000 + u64::from(nanos / 1_000_000);
        let begin = EntryId(made_ms.saturating_sub(CLOCKS_APART_MS), 0);
        let before = EntryId(begin.0.saturating_sub(1), u64::MAX);
        let near = |stream| Stretch { stream, from: begin, to: EntryId::LAST };
        let earlier = |stream| Stretch { stream, from: EntryId::default(), to: before };
        let seek = Seek { connection, shards, job_id };
        let mut left = Vec::new();
        // High jobs are few.
        for mut stretch in [near("2"), near("1"), earlier("2"), earlier("1")] {
            match seek.look(&stretch, FIRST_LOOK_ENTRIES).await? {
                Look::Found(job) => return Ok(Some(*job)),
                Look::More(last) => {
                    stretch.from = last.next();
                    left.push(stretch);
                }
                Look::End => {}
            }
        }
        if left.is_empty() {
            return Ok(None);
        }
        self.may_go_on()?;
        seek.go_on(left).await
    }

    fn may_go_on(&self) -> Result<(), QueueError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < GO_ON_EVERY) {
            return Err(too_much_waits());
        }
        *last = Some(Instant::now());
        Ok(())
    }
}

/// One question.
struct Seek<'q> {
    connection: &'q Connection,
    shards: ShardCount,
    job_id: JobId,
}

impl Seek<'_> {
    async fn go_on(&self, stretches: Vec<Stretch>) -> Result<Option<Pending>, QueueError> {
        let mut is_complete = true;
        for mut stretch in stretches {
            let mut looks = 0;
            while let Some(last) = match self.look(&stretch, NEXT_LOOK_ENTRIES).await? {
                Look::Found(job) => return Ok(Some(*job)),
                Look::More(last) => Some(last),
                Look::End => None,
            } {
                looks += 1;
                if looks == MAX_NEXT_LOOKS {
                    is_complete = false;
                    break;
                }
                stretch.from = last.next();
            }
        }
        if is_complete { Ok(None) } else { Err(too_much_waits()) }
    }

    async fn look(&self, stretch: &Stretch, entries: usize) -> Result<Look, QueueError> {
        let mut command = scripts::run(scripts::FIND, self.shards.of_job(self.job_id));
        command.arg(self.job_id.to_string()).arg(stretch.stream);
        command.arg(stretch.from.to_string()).arg(stretch.to.to_string()).arg(entries);
        Ok(match self.connection.run(&command).await? {
            Value::Array(parts) => job(parts).map_or(Look::End, |job| Look::Found(Box::new(job))),
            answer => streams::bytes(answer)
                .and_then(|last| EntryId::parse(std::str::from_utf8(&last).ok()?))
                .map_or(Look::End, Look::More),
        })
    }
}

/// The job of an entry's form and body. Nobody has verified it, no more than a record: what counts, workers verify.
fn job(parts: Vec<Value>) -> Option<Pending> {
    let mut parts = parts.into_iter().map(streams::bytes);
    let (version, body) = (parts.next()??, parts.next()??);
    let version = std::str::from_utf8(&version).ok()?.parse().ok()?;
    let envelope = envelope::parse_body(version, &body).ok().filter(|envelope| !envelope.journaled)?;
    Some(Pending::waiting(&envelope))
}

fn too_much_waits() -> QueueError {
    QueueError::Refused("so much waits in the job's shard that the job is not looked for".into())
}
