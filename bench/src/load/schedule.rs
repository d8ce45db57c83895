//! When the requests of an open loop are due.

use std::time::Duration;

use super::random::Random;

/// The times of one connection's requests, counted from the start of the load.
///
/// Requests come as a Poisson process, as those of many clients that know nothing of each other do: sometimes none,
/// sometimes several at once. One process per connection, since several together are one again.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    random: Random,
    mean_gap_s: f64,
    at_s: f64,
    end_s: f64,
}

impl Schedule {
    /// `per_second` requests a second of this connection for so long.
    pub(crate) fn new(seed: u64, per_second: f64, length: Duration) -> Self {
        let mean_gap_s = 1.0 / per_second.max(f64::MIN_POSITIVE);
        Self { random: Random::new(seed), mean_gap_s, at_s: 0.0, end_s: length.as_secs_f64() }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.at_s -= self.random.unit().ln() * self.mean_gap_s;
        (self.at_s < self.end_s).then(|| Duration::from_secs_f64(self.at_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_at_the_rate_asked_for_in_order_and_none_after_the_end() {
        let length = Duration::from_secs(100);
        let times: Vec<Duration> = Schedule::new(1, 100.0, length).collect();
        assert!((9_600..10_400).contains(&times.len()), "{}", times.len());
        assert!(times.is_sorted() && times.iter().all(|time| *time < length));
    }

    #[test]
    fn gaps_are_as_different_as_those_of_a_poisson_process() {
        let times: Vec<Duration> = Schedule::new(2, 1_000.0, Duration::from_secs(100)).collect();
        // Of exponential gaps 1/e are longer than the mean.
        let is_longer = |pair: &&[Duration]| pair[1].saturating_sub(pair[0]) > Duration::from_millis(1);
        let longer = times.windows(2).filter(is_longer).count() * 1_000 / times.len();
        assert!((358..378).contains(&longer), "{longer}");
    }
}
