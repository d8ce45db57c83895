//! What is told of refused credentials: a counter for each reason, and a log line that says which check failed, of which
//! a flood leaves few. The answer says nothing of it.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use metrics::{counter, describe_counter};
use satchel_model::ids::RequestId;

const REFUSED: &str = "satchel_api_credentials_refused_total";

/// The most log lines about refused credentials in one second; the next one says how many were left out.
const MAX_LINES_PER_SECOND: u64 = 10;

/// Says what the metric means; its help text in `/metrics`.
pub(super) fn describe() {
    describe_counter!(REFUSED, "Requests refused for want of good credentials, by which check failed");
}

/// A refusal: which check failed, for the counter and the log.
#[derive(Debug)]
pub(super) struct Refusal {
    /// One of few words.
    pub(super) check: &'static str,
    /// For people.
    pub(super) detail: String,
}

/// Counts and logs refusals.
#[derive(Default)]
pub(super) struct Refusals {
    sample: Sample,
}

impl Refusals {
    /// Notes one. Addresses that are refused all the same, and requests without any credential, are counted alone.
    pub(super) fn note(&self, refusal: &Refusal, from: Option<IpAddr>, request: Option<&RequestId>) {
        counter!(REFUSED, "check" => refusal.check).increment(1);
        let Some(left_out) = self.sample.take() else { return };
        tracing::warn!(
            check = refusal.check,
            detail = refusal.detail,
            from = from.map(tracing::field::display),
            request.id = request.map(RequestId::as_str),
            left_out,
            "refused a credential"
        );
    }

    /// Counts one of which no line is written.
    pub(super) fn count(check: &'static str) {
        counter!(REFUSED, "check" => check).increment(1);
    }
}

/// Lets so many lines a second pass.
#[derive(Default)]
struct Sample {
    second: AtomicU64,
    lines: AtomicU64,
    left_out: AtomicU64,
}

impl Sample {
    /// How many were left out before this one, if it may be written.
    fn take(&self) -> Option<u64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.second.swap(now, Ordering::Relaxed) != now {
            self.lines.store(0, Ordering::Relaxed);
        }
        if self.lines.fetch_add(1, Ordering::Relaxed) >= MAX_LINES_PER_SECOND {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.left_out.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_few_lines_and_says_how_many_are_missing() {
        let sample = Sample::default();
        let lines: Vec<u64> = (0..40_000).filter_map(|_| sample.take()).collect();
        assert!((10..=100).contains(&lines.len()), "{lines:?}");
        let told = lines.iter().sum::<u64>() + sample.left_out.load(Ordering::Relaxed);
        assert_eq!(told, 40_000 - u64::try_from(lines.len()).unwrap());
    }
}
