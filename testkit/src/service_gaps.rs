//! How long shards had to wait for someone to serve them.
//!
//! A gap of a shard is a time in which jobs waited in it and none was applied: it ends when one is, and begins when
//! the one before was, or when the oldest of those that were waiting at the end was submitted, whichever is later.

use std::collections::BTreeMap;

use crate::Satchel;
use crate::players::shard_of;

/// The longest gap of any shard since the first job, in milliseconds. By the clock of the machine, which is the
/// database's (`applied_at`) and the API's (`submitted_at`).
pub fn longest_ms(satchel: &Satchel) -> i64 {
    let micros = |column| format!("(extract(epoch FROM {column}) * 1000000)::bigint");
    let sql =
        format!("SELECT user_id, {}, {} FROM jobs ORDER BY applied_at", micros("applied_at"), micros("submitted_at"));
    // By shard, then by the moment of a commit: when the oldest job that it applied was submitted.
    let mut shards: BTreeMap<u16, BTreeMap<i64, i64>> = BTreeMap::new();
    for line in satchel.database.owner.run(&sql).lines() {
        let mut columns = line.split('|');
        let mut next = || columns.next().expect("three columns");
        let (user, applied, submitted) = (next(), next(), next());
        let [applied, submitted] = [applied, submitted].map(|text| text.parse::<i64>().expect("a number"));
        let oldest = shards.entry(shard_of(user).get()).or_default().entry(applied).or_insert(submitted);
        *oldest = submitted.min(*oldest);
    }
    let mut longest = 0;
    for commits in shards.values() {
        let mut before = i64::MIN;
        for (applied, oldest) in commits {
            longest = longest.max(applied - before.max(*oldest));
            before = *applied;
        }
    }
    longest / 1_000
}
