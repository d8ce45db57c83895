//! Sharing a batch out among shards.

/// How many entries each shard gives: of each shard `(how many it has, its share)` is told. Everyone gives at most their
/// share first; what is left of `max_entries` goes to those that have more, in this order.
pub(super) fn allot(shards: &[(usize, usize)], max_entries: usize) -> Vec<usize> {
    let mut given: Vec<usize> = shards.iter().map(|(has, share)| *has.min(share)).collect();
    let mut left = max_entries.saturating_sub(given.iter().sum());
    for (given, (has, _)) in given.iter_mut().zip(shards) {
        let more = left.min(has - *given);
        *given += more;
        left -= more;
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_some_leave_others_take() {
        assert_eq!(allot(&[(5, 10), (50, 10), (12, 10)], 30), [5, 15, 10]);
        assert_eq!(allot(&[(1, 1), (9, 1), (9, 1)], 2), [1, 1, 1]);
        assert_eq!(allot(&[(3, 10)], 100), [3]);
        assert!(allot(&[], 5).is_empty());
    }
}
