//! Finds out whether the queue has forgotten jobs: without a journal they are lost, and nobody else could tell.
//!
//! The owner of a shard raises its watermark in the queue, a time by Postgres's clock, and notes it in Postgres once the queue has it.
//! A queue that has an earlier one than noted, or none, is what it was then, or is empty. It costs nothing of what jobs take:
//! one round trip to the queue for all shards, and two short statements, every two seconds.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use satchel_model::ids::Shard;
use satchel_model::moment;
use satchel_queue::{Queue, Raise, Watermark};
use satchel_store::watermarks::{self, Found, Known, State};
use satchel_store::{DEADLINE_MS, Session};
use satchel_tasks::{Backoff, Task};

use super::LeasedShards;
use crate::outage::Outage;

const PERIOD: Duration = Duration::from_secs(2);
/// The time between two looks for shards, as long as there are none.
const WITHOUT_SHARDS: Duration = Duration::from_millis(200);

const BEGAN_ANEW: &str = "satchel_worker_shards_began_anew_total";

/// See the module.
pub(crate) struct Watermarks {
    queue: Arc<dyn Queue>,
    session: Session,
    leased: LeasedShards,
}

impl Task for Watermarks {
    const NAME: &'static str = "watermarks";
    type Error = Outage;

    async fn round(&mut self) -> Result<Duration, Outage> {
        // While the queue is paused it may forget as well.
        let shards: Vec<Shard> = self.leased.all().iter().map(|lease| lease.shard).collect();
        if shards.is_empty() {
            return Ok(WITHOUT_SHARDS);
        }
        self.raise(&shards).await?;
        Ok(PERIOD)
    }

    fn backoff(&self) -> Backoff {
        Backoff::constant(PERIOD)
    }

    async fn close(self) {
        self.session.close().await;
    }
}

impl Watermarks {
    pub(crate) fn new(queue: Arc<dyn Queue>, session: Session, leased: LeasedShards) -> Self {
        metrics::counter!(BEGAN_ANEW).increment(0);
        Self { queue, session, leased }
    }

    async fn raise(&mut self, shards: &[Shard]) -> Result<(), Outage> {
        // First Postgres, then the queue: what stands there was in the queue before.
        let look = async |session: &mut Session| watermarks::known(session, shards).await;
        let known = self.session.run(DEADLINE_MS, look).await?;
        let raises: Vec<Raise> = known.iter().map(raise).collect();
        let marks = self.queue.raise_watermarks(&raises).await?;
        let mark_of = |shard: Shard| marks.iter().find(|mark| mark.shard == shard);
        let found: Vec<Found> = known
            .iter()
            .zip(&raises)
            .filter_map(|(known, raise)| Some(found(known, raise, mark_of(known.shard)?)))
            .collect();
        if !found.is_empty() {
            let note = async |session: &mut Session| watermarks::note(session, &found).await;
            let anew = self.session.run(DEADLINE_MS, note).await?;
            tell(&anew, &found);
        }
        Ok(())
    }
}

/// The watermark that the queue must have at least, and the next one: the time, but more than the last one though the clock
/// was set back.
fn raise(known: &Known) -> Raise {
    let at_least_ms = known.marked_at.map(|at| at.timestamp_millis());
    let to_ms = known.now.timestamp_millis().max(at_least_ms.unwrap_or(0).saturating_add(1));
    Raise { shard: known.shard, at_least_ms, to_ms }
}

/// The state of a shard by its watermark.
fn found(known: &Known, raise: &Raise, mark: &Watermark) -> Found {
    let Known { shard, marked_at, waiting_since, now } = *known;
    if mark.found_ms < raise.at_least_ms {
        let found = mark.found_ms.and_then(DateTime::from_timestamp_millis);
        // What it has from an earlier time is as it was then; of an empty one only what waited at the last look is known.
        let lost_since = if found.is_some() { found.map(|at| at.min(now)) } else { waiting_since };
        return Found { shard, known: marked_at, marked_at: found, state: State::Anew(lost_since) };
    }
    let waits_for = TimeDelta::milliseconds(mark.oldest_waiting_ms.unwrap_or(0).try_into().unwrap_or(i64::MAX));
    let waiting_since = if mark.has_delayed { None } else { now.checked_sub_signed(waits_for) };
    let has_ms = mark.found_ms.unwrap_or(0).max(raise.to_ms);
    Found {
        shard,
        known: marked_at,
        marked_at: DateTime::from_timestamp_millis(has_ms),
        state: State::Whole(waiting_since),
    }
}

/// One line for all that was found at once.
fn tell(anew: &[Shard], found: &[Found]) {
    if anew.is_empty() {
        return;
    }
    metrics::counter!(BEGAN_ANEW).increment(anew.len() as u64);
    let lost_since = found.iter().filter(|found| anew.contains(&found.shard)).map(|found| match found.state {
        State::Anew(since) | State::Whole(since) => since,
    });
    // None, which is less than any time: whatever waited.
    let lost_since = match lost_since.min().flatten() {
        Some(since) => format!("those accepted since {}", moment::text(since)),
        None => "whatever waited".to_owned(),
    };
    tracing::error!(
        shards = anew.len(),
        "the queue has forgotten what it had and began anew: accepted jobs may be gone, {lost_since}, but for those that the \
         journal has"
    );
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    const SHARD: Shard = Shard::new(3);

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(ms).unwrap()
    }

    /// What comes of a mark, where `known` was the last one and nothing waited that was accepted before 40, at the time 100.
    fn state(known: Option<i64>, found_ms: Option<i64>) -> (Option<i64>, State) {
        let known = Known { shard: SHARD, marked_at: known.map(at), waiting_since: Some(at(40)), now: at(100) };
        let mark = Watermark { shard: SHARD, found_ms, oldest_waiting_ms: Some(30), has_delayed: false };
        let found = found(&known, &raise(&known), &mark);
        assert_eq!((found.shard, found.known), (SHARD, known.marked_at));
        (found.marked_at.map(|at| at.timestamp_millis()), found.state)
    }

    #[test]
    fn a_watermark_rises_with_the_clock_and_though_the_clock_was_set_back() {
        let raise = |known: Option<i64>| {
            let known = Known { shard: SHARD, marked_at: known.map(at), waiting_since: None, now: at(100) };
            let Raise { at_least_ms, to_ms, .. } = raise(&known);
            (at_least_ms, to_ms)
        };
        assert_eq!(raise(None), (None, 100));
        assert_eq!(raise(Some(50)), (Some(50), 100));
        assert_eq!(raise(Some(5_000)), (Some(5_000), 5_001));
    }

    #[test]
    fn a_queue_that_has_what_it_had_or_more_is_whole() {
        let whole = State::Whole(Some(at(70)));
        assert_eq!(state(None, None), (Some(100), whole), "the first time");
        assert_eq!(state(None, Some(60)), (Some(100), whole));
        assert_eq!(state(Some(50), Some(50)), (Some(100), whole));
        // Somebody has raised it in between.
        assert_eq!(state(Some(50), Some(120)), (Some(120), whole));
    }

    #[test]
    fn a_queue_that_has_less_began_anew_and_has_lost_what_came_since() {
        assert_eq!(state(Some(50), Some(49)), (Some(49), State::Anew(Some(at(49)))));
        assert_eq!(state(Some(50), None), (None, State::Anew(Some(at(40)))));
        // Its time lies ahead, since the clock was set back.
        assert_eq!(state(Some(5_000), Some(4_000)), (Some(4_000), State::Anew(Some(at(100)))));
    }

    #[test]
    fn when_delayed_jobs_were_accepted_is_not_known() {
        let known = Known { shard: SHARD, marked_at: None, waiting_since: None, now: at(100) };
        let mark = Watermark { shard: SHARD, found_ms: None, oldest_waiting_ms: None, has_delayed: true };
        assert_eq!(found(&known, &raise(&known), &mark).state, State::Whole(None));
        let nothing = Watermark { has_delayed: false, ..mark };
        assert_eq!(found(&known, &raise(&known), &nothing).state, State::Whole(Some(at(100))));
    }
}
