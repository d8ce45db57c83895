//! C: what users hold is what their ledgers say.

/// What finds violations, with the invariant; each row is one, told in a text.
pub(super) const QUERIES: [(&str, &str); 3] = [
    (
        "C (a holding is not the sum of its ledger)",
        "SELECT format('%s of %s: %s, the ledger sums up to %s', item_id, user_id, quantity, summed)
         FROM bench.holdings
         FULL JOIN (SELECT user_id, item_id, sum(delta) AS summed
                    FROM bench.entries
                    GROUP BY user_id, item_id) AS sums
         USING (user_id, item_id)
         WHERE coalesce(quantity, 0) <> coalesce(summed, 0)",
    ),
    (
        "C (a quantity below zero)",
        "SELECT format('%s of %s', item_id, user_id) FROM bench.holdings WHERE quantity < 0
         UNION ALL
         SELECT format('entry %s of %s', n, user_id) FROM bench.entries WHERE balance < 0",
    ),
    (
        "C (a balance is not the sum so far)",
        "SELECT format('entry %s of %s: %s instead of %s', n, user_id, balance, summed)
         FROM (SELECT user_id, n, balance, sum(delta) OVER (PARTITION BY user_id, item_id ORDER BY n) AS summed
               FROM bench.entries) AS running
         WHERE balance <> summed",
    ),
];

/// The same, where `bench.versions` counts each user's entries.
pub(super) const QUERY_OF_VERSIONS: (&str, &str) = (
    "C (a version is not the number of entries)",
    "SELECT format('%s: %s, there are %s up to %s', user_id, version, entries, last)
     FROM bench.versions
     JOIN bench.players USING (user_id)
     LEFT JOIN (SELECT user_id, count(*) AS entries, max(n) AS last FROM bench.entries GROUP BY user_id) AS ends
     USING (user_id)
     WHERE version <> coalesce(entries, 0) OR version <> coalesce(last, 0)",
);
