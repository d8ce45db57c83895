//! A and B: each accepted job is decided, and has exactly the effect that it asked for.

/// What finds violations, with the invariant; each row is one, told in a text.
pub(super) const QUERIES: [(&str, &str); 5] = [
    (
        "B (a job is not applied)",
        "SELECT format('%s of %s is %s', job_id, user_id, status) FROM bench.jobs WHERE status <> 'applied'",
    ),
    ("B (a job has two results)", "SELECT job_id::text FROM bench.jobs GROUP BY job_id HAVING count(*) > 1"),
    (
        "B (a job changed an item twice)",
        "SELECT format('%s: %s entries of %s', job_id, count(*), item_id)
         FROM bench.entries
         WHERE is_new
         GROUP BY job_id, item_id
         HAVING count(*) > 1",
    ),
    (
        "B (a job without effect)",
        "SELECT job_id::text
         FROM bench.jobs
         WHERE NOT EXISTS (SELECT FROM bench.entries
                           WHERE entries.job_id = jobs.job_id AND entries.user_id = jobs.user_id)",
    ),
    (
        "B (an entry of no job)",
        "SELECT format('%s of %s', n, user_id)
         FROM bench.entries
         WHERE is_new AND NOT EXISTS (SELECT FROM bench.jobs WHERE jobs.job_id = entries.job_id)",
    ),
];

/// The same, where `bench.expected` has every job.
pub(super) const QUERIES_OF_KNOWN_JOBS: [(&str, &str); 3] = [
    (
        "A (an accepted job has no result)",
        "SELECT format('%s of %s', job_id, user_id)
         FROM bench.expected
         WHERE NOT EXISTS (SELECT FROM bench.jobs WHERE jobs.job_id = expected.job_id)",
    ),
    (
        "A (a result of a job that nobody was answered for)",
        "SELECT format('%s of %s', job_id, user_id)
         FROM bench.jobs
         WHERE NOT EXISTS (SELECT FROM bench.expected WHERE expected.job_id = jobs.job_id)",
    ),
    (
        "B (an effect that is not what was asked for)",
        "SELECT format('%s: %s of %s for %s, not %s of %s for %s', job_id, entries.delta, item_id, entries.user_id,
                       expected.delta, item_id, expected.user_id)
         FROM bench.expected
         FULL JOIN (SELECT * FROM bench.entries WHERE is_new) AS entries USING (job_id, item_id)
         WHERE (entries.user_id, entries.delta) IS DISTINCT FROM (expected.user_id, expected.delta)",
    ),
];
