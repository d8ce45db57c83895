//! Tells of an outage of Redis once, and once that it is over, however many connections notice.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use redis::RedisError;

/// See the module. All connections of a queue share it.
#[derive(Default)]
pub(super) struct Outage(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    /// The connections that are in trouble, by number.
    failing: BTreeSet<u64>,
    since: Option<Instant>,
}

impl Outage {
    /// A connection is in trouble. Whether it is the first one.
    pub(super) fn begin(&self, connection: u64, error: &RedisError) -> bool {
        let mut noted = self.noted();
        let is_first = noted.failing.is_empty();
        if is_first {
            noted.since = Some(Instant::now());
            tracing::warn!(%error, "Redis is away or not as it should be: connections are made anew until it is back");
        }
        noted.failing.insert(connection);
        is_first
    }

    /// A connection works again, or is not needed any more. Whether it was the last one in trouble.
    pub(super) fn end(&self, connection: u64) -> bool {
        let mut noted = self.noted();
        let is_last = noted.failing.remove(&connection) && noted.failing.is_empty();
        if is_last {
            let seconds = noted.since.take().map_or(0.0, |since| since.elapsed().as_secs_f64());
            tracing::info!(seconds, "Redis is back");
        }
        is_last
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use redis::ErrorKind;

    use super::*;

    #[test]
    fn an_outage_is_told_of_by_the_first_that_notices_and_its_end_by_the_last() {
        let (outage, error) = (Outage::default(), RedisError::from((ErrorKind::Io, "gone")));
        assert!(outage.begin(1, &error));
        assert!(!outage.begin(2, &error) && !outage.begin(1, &error));
        assert!(!outage.end(3), "it was not in trouble");
        assert!(!outage.end(1));
        assert!(outage.end(2));
        assert!(!outage.end(2) && outage.begin(2, &error));
    }
}
