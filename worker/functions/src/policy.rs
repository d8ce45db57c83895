//! Retries and limits of a function's runs.

use std::time::Duration;

use satchel_store::functions::Rate;
use satchel_store::functions::claims::{KeyOf, Limits};
use satchel_tasks::Backoff;
use serde_json::{Value, json};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Most attempts after the first one.
    pub retries: u32,
    /// The wait after the first failure; it doubles after each, up to `max_delay`, less up to a half at random.
    pub first_delay: Duration,
    /// The longest wait.
    pub max_delay: Duration,
    /// The time for one attempt.
    pub timeout: Duration,
    /// The greatest age of a run when it begins, or is tried again: an older one is cancelled, with that reason. The age counts
    /// from when the run was made, so one of a replay is new; one that an operator has retried is never too old. `None`: no limit.
    pub max_age: Option<Duration>,
    /// Concurrency over all workers, rates, and the order of beginnings.
    pub limits: Limits,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retries: 4,
            first_delay: Duration::from_secs(2),
            max_delay: Duration::from_mins(5),
            timeout: Duration::from_mins(1),
            max_age: None,
            limits: Limits {
                concurrency: 16,
                rate: None,
                key: KeyOf::Nothing,
                key_concurrency: 1,
                key_rate: None,
                ordered: false,
                newest_first: false,
            },
        }
    }
}

/// The longest that a receiver may put a run off.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

impl Policy {
    /// The wait for the next attempt after so many failures before this one; `None` if there is none.
    pub(crate) fn next_attempt(&self, failures: u32, after: Option<Duration>) -> Option<Duration> {
        if failures >= self.retries {
            return None;
        }
        let delay = Backoff::new(self.first_delay, self.max_delay).delay(failures);
        Some(after.map_or(delay, |after| after.min(MAX_RETRY_AFTER).max(delay)))
    }

    /// The policy in JSON, for operators.
    pub(crate) fn describe(&self) -> Value {
        let Limits { concurrency, rate, key, key_concurrency, key_rate, ordered: _, newest_first } = self.limits;
        let rate_of = |rate: Option<Rate>| {
            rate.map(|rate| json!({"intervalMs": rate.interval.num_milliseconds(), "burst": rate.burst}))
        };
        let key = match key {
            KeyOf::Nothing => Value::Null,
            KeyOf::User => json!("user"),
            KeyOf::Target => json!("target"),
        };
        json!({
            "retries": self.retries,
            "firstDelayMs": millis(self.first_delay),
            "maxDelayMs": millis(self.max_delay),
            "timeoutMs": millis(self.timeout),
            "maxAgeMs": self.max_age.map(millis),
            "order": if newest_first { "newest" } else { "oldest" },
            "concurrency": concurrency,
            "rate": rate_of(rate),
            "key": key,
            "keyConcurrency": key_concurrency,
            "keyRate": rate_of(key_rate),
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end_with_the_retries() {
        let policy = Policy { max_delay: Duration::from_secs(10), ..Policy::default() };
        for (failures, most) in [(0, 2), (1, 4), (2, 8), (3, 10)] {
            let (delay, most) = (policy.next_attempt(failures, None).unwrap(), Duration::from_secs(most));
            assert!(delay <= most && delay >= most / 2, "{delay:?} after {failures}");
        }
        assert_eq!(policy.next_attempt(4, None), None);
        assert_eq!(Policy { retries: 0, ..policy }.next_attempt(0, None), None);
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_wait_but_not_for_ever() {
        let policy = Policy::default();
        let asked = |seconds| policy.next_attempt(0, Some(Duration::from_secs(seconds))).unwrap();
        assert_eq!(asked(60), Duration::from_mins(1));
        assert!(asked(0) >= Duration::from_secs(1));
        assert_eq!(asked(u64::MAX), MAX_RETRY_AFTER);
    }
}
