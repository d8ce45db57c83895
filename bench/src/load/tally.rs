//! What a load was answered.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

/// The longest latency that is told apart, in microseconds.
const MAX_LATENCY_US: u64 = 120_000_000;
/// Latencies are kept to a thousandth of themselves.
const SIGNIFICANT_FIGURES: u8 = 3;

/// Answers that count, their latencies, and what went wrong.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    latency_us: Histogram<u64>,
    errors: u64,
    first_error: Option<String>,
}

impl Tally {
    /// Nothing yet.
    pub(crate) fn new() -> Result<Self> {
        let latency_us = Histogram::new_with_bounds(1, MAX_LATENCY_US, SIGNIFICANT_FIGURES)?;
        Ok(Self { latency_us, errors: 0, first_error: None })
    }

    /// Counts a good answer.
    pub(crate) fn answered(&mut self, latency: Duration) {
        self.latency_us.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts an error; the first one is kept.
    pub(crate) fn failed(&mut self, error: impl FnOnce() -> String) {
        self.errors += 1;
        if self.first_error.is_none() {
            self.first_error = Some(error());
        }
    }

    /// Adds another's.
    pub(crate) fn add(&mut self, other: &Self) -> Result<()> {
        self.latency_us.add(&other.latency_us)?;
        self.errors += other.errors;
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
        Ok(())
    }

    /// How many good answers were counted.
    pub(crate) fn answers(&self) -> u64 {
        self.latency_us.len()
    }

    /// The latency that `percent` of the answers did not exceed, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: f64) -> f64 {
        ms(self.latency_us.value_at_percentile(percent))
    }

    /// The longest latency, in milliseconds.
    pub(crate) fn max_ms(&self) -> f64 {
        ms(self.latency_us.max())
    }

    /// What went wrong, if anything did.
    pub(crate) fn trouble(&self) -> Option<String> {
        let first = self.first_error.as_ref()?;
        Some(format!("{} requests failed, the first: {first}", self.errors))
    }
}

fn ms(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_all_tallies_together() {
        let (mut all, mut slow) = (Tally::new().unwrap(), Tally::new().unwrap());
        (1..=90).for_each(|_| all.answered(Duration::from_millis(1)));
        (1..=10).for_each(|_| slow.answered(Duration::from_millis(50)));
        all.add(&slow).unwrap();
        assert_eq!(all.answers(), 100);
        let near = |actual: f64, expected: f64| (actual - expected).abs() <= expected / 500.0;
        assert!(near(all.percentile_ms(50.0), 1.0) && near(all.percentile_ms(90.0), 1.0));
        assert!(near(all.percentile_ms(91.0), 50.0) && near(all.max_ms(), 50.0));
    }

    #[test]
    fn a_latency_beyond_every_bound_is_counted_as_the_longest() {
        let mut tally = Tally::new().unwrap();
        tally.answered(Duration::from_hours(1));
        assert!(tally.max_ms() >= 119_000.0);
    }

    #[test]
    fn the_first_error_is_told() {
        let mut tally = Tally::new().unwrap();
        assert_eq!(tally.trouble(), None);
        tally.failed(|| "one".to_owned());
        tally.failed(|| "two".to_owned());
        assert_eq!(tally.trouble().unwrap(), "2 requests failed, the first: one");
    }
}
