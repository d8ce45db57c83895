//! One hash over the records that a batch adds to the chains of a shard.

use super::ChainHash;

impl ChainHash {
    /// The root of the Merkle tree (RFC 9162 section 2.1.1, SHA-256) whose leaves are these hashes, in ascending order, so that it does
    /// not depend on theirs; `None` if there are none.
    #[must_use]
    pub fn root_of(hashes: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut hashes: Vec<Self> = hashes.into_iter().collect();
        hashes.sort_unstable_by_key(|hash| hash.0);
        joined(hashes.iter().map(|hash| Self::of(&[&[0], &hash.0])).collect())
    }
}

/// Joins the nodes of a level two by two until one is left. One that has no neighbour joins the level above as it is: the trees to the
/// left are always full, as in the RFC.
fn joined(mut level: Vec<ChainHash>) -> Option<ChainHash> {
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => ChainHash::of(&[&[1], &left.0, &right.0]),
                alone => alone.first().copied().unwrap_or(ChainHash::GENESIS),
            })
            .collect();
    }
    level.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the definition: the left tree has the largest power of two below the number of leaves.
    fn root(leaves: &[ChainHash]) -> ChainHash {
        let [leaf] = leaves else {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            return ChainHash::of(&[&[1], &root(left).0, &root(right).0]);
        };
        *leaf
    }

    #[test]
    fn a_tree_is_that_of_the_rfc() {
        let leaves: Vec<ChainHash> = (0..7_u8).map(|leaf| ChainHash::of(&[&[0], &[leaf]])).collect();
        for count in 1..=leaves.len() {
            assert_eq!(joined(leaves[..count].to_vec()), Some(root(&leaves[..count])), "{count}");
        }
        assert_eq!(joined(Vec::new()), None);
    }
}
