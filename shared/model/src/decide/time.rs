//! Time as an input: when a job is decided, for the rules of the game.

use chrono::{DateTime, Utc};

/// When a job counts as decided: when it was due, or when the last job that changed one of its parties was decided if that
/// was later, so that a user's time never falls; and never later than the database's clock of the batch. So a job that waited
/// is decided as of when it was due, whatever kept it waiting.
#[must_use]
pub fn decision_time(
    batch: DateTime<Utc>,
    due: DateTime<Utc>,
    last: impl IntoIterator<Item = DateTime<Utc>>,
) -> DateTime<Utc> {
    last.into_iter().fold(due, DateTime::max).min(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_when_the_job_was_due_and_never_falls() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        assert_eq!(decision_time(at(10), at(4), []), at(4));
        assert_eq!(decision_time(at(10), at(4), [at(6), at(2)]), at(6));
        assert_eq!(decision_time(at(10), at(12), []), at(10), "an API's clock may be ahead");
        assert_eq!(decision_time(at(10), at(4), [at(11)]), at(10), "so may a database's have been");
    }
}
