//! What submissions count, for Prometheus.

use metrics::{Counter, counter, describe_counter};
use satchel_model::operations::Work;

const ACCEPTED: &str = "satchel_api_jobs_accepted_total";
const INVALID: &str = "satchel_api_jobs_invalid_total";
const LIMITED: &str = "satchel_api_jobs_limited_total";
const QUEUE_UNAVAILABLE: &str = "satchel_api_queue_unavailable_total";
const JOURNAL_UNAVAILABLE: &str = "satchel_api_journal_unavailable_total";
const UNFED: &str = "satchel_api_journaled_jobs_unfed_total";

/// What submissions count. Made once: looking a metric up by name at each use would cost more than the use.
pub(crate) struct SubmissionMeters {
    accepted: Vec<(&'static str, Counter)>,
    pub(crate) invalid: Counter,
    pub(crate) limited: Counter,
    pub(crate) queue_unavailable: Counter,
    pub(crate) journal_unavailable: Counter,
    pub(crate) unfed: Counter,
}

impl SubmissionMeters {
    /// Says what the metrics mean; their help text in `/metrics`.
    pub(crate) fn describe() {
        describe_counter!(ACCEPTED, "Jobs that queue or journal took, by type; repetitions under one key included");
        describe_counter!(INVALID, "Jobs refused because they were not valid");
        describe_counter!(LIMITED, "Jobs refused unread because their actor brings more than it may");
        describe_counter!(QUEUE_UNAVAILABLE, "Submissions refused because the queue did not take them");
        describe_counter!(
            JOURNAL_UNAVAILABLE,
            "Submissions refused because Postgres did not take them into its journal"
        );
        describe_counter!(UNFED, "Journaled jobs that the queue did not take at once; workers feed it again");
    }

    pub(crate) fn new() -> Self {
        Self {
            accepted: Work::NAMES.iter().map(|name| (*name, counter!(ACCEPTED, "type" => *name))).collect(),
            invalid: counter!(INVALID),
            limited: counter!(LIMITED),
            queue_unavailable: counter!(QUEUE_UNAVAILABLE),
            journal_unavailable: counter!(JOURNAL_UNAVAILABLE),
            unfed: counter!(UNFED),
        }
    }

    pub(crate) fn accepted(&self, job_type: &str) {
        if let Some((_, counter)) = self.accepted.iter().find(|(name, _)| *name == job_type) {
            counter.increment(1);
        }
    }
}
