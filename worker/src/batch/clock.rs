//! The database's clock, as a worker knows it between two looks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// All lanes of a worker have one, so that no lane's time is before that of another.
///
/// It lags behind the database's clock by what an answer was under way, and is never ahead of it, unless that clock is set back.
#[derive(Clone, Default)]
pub(crate) struct DatabaseClock(Arc<Mutex<Option<Seen>>>);

#[derive(Clone, Copy)]
struct Seen {
    clock: DateTime<Utc>,
    at: Instant,
}

impl Seen {
    fn now(self) -> Option<DateTime<Utc>> {
        let elapsed: Duration = self.at.elapsed();
        self.clock.checked_add_signed(TimeDelta::from_std(elapsed).ok()?)
    }
}

impl DatabaseClock {
    /// What it says by now, to the microsecond; `None` if nobody has looked.
    pub(super) fn now(&self) -> Option<DateTime<Utc>> {
        let now = self.seen().and_then(Seen::now)?;
        DateTime::from_timestamp_micros(now.timestamp_micros())
    }

    /// Notes what it has just said. An answer that was under way for longer than an earlier one says nothing new.
    pub(super) fn note(&self, clock: DateTime<Utc>) {
        let is_news = self.seen().and_then(Seen::now).is_none_or(|known| clock > known);
        if is_news {
            self.set(clock);
        }
    }

    /// Notes what it has just said, where it is another time than was thought.
    pub(super) fn set(&self, clock: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Seen { clock, at: Instant::now() });
    }

    fn seen(&self) -> Option<Seen> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_from_the_answer_that_came_soonest_and_falls_only_if_it_is_set() {
        let clock = DatabaseClock::default();
        assert_eq!(clock.now(), None);
        clock.note(at(100));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(clock.clone().now(), Some(at(105)));
        clock.note(at(104));
        assert_eq!(clock.now(), Some(at(105)), "that answer was under way for a second longer");
        clock.note(at(106));
        assert_eq!(clock.now(), Some(at(106)));
        clock.set(at(50));
        assert_eq!(clock.now(), Some(at(50)));
    }
}
