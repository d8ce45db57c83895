//! F: each user's jobs were applied in the order accepted.

/// Finds jobs that come after a later one in their user's ledger. (What changed several items is compared once each:
/// the places are equal then.)
pub(super) const QUERY: (&str, &str) = (
    "F (a job was applied before an earlier one of its user)",
    "SELECT format('%s of %s was applied after a later one', job_id, user_id)
     FROM (SELECT user_id, job_id, place, lag(place) OVER (PARTITION BY user_id ORDER BY n) AS before
           FROM bench.entries
           JOIN bench.expected USING (user_id, job_id, item_id)
           WHERE is_new) AS entries
     WHERE before > place",
);
