//! The chain of one user's records.

use super::{ChainHash, Record, Seal};

/// Where a user's ledger does not hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// A number is missing or comes twice.
    #[error("change {found} stands where change {expected} should be")]
    Gap {
        /// The number due.
        expected: i64,
        /// The number found.
        found: i64,
    },
    /// The hash does not fit the record and its predecessor.
    #[error("the record of change {seq} does not fit its hash")]
    Hash {
        /// The record's first change.
        seq: i64,
    },
}

/// Follows a user's records that change something, in order of `seq`, from the first.
#[derive(Debug, Clone, Copy)]
pub struct ChainVerifier {
    version: i64,
    head: ChainHash,
}

impl Default for ChainVerifier {
    fn default() -> Self {
        Self { version: 0, head: ChainHash::GENESIS }
    }
}

impl ChainVerifier {
    /// Checks the next record.
    ///
    /// # Errors
    /// [`ChainFault`] if it is not the next one or its hash is wrong.
    pub fn follow(&mut self, record: &Record) -> Result<(), ChainFault> {
        let expected = self.version + 1;
        if record.seq != expected {
            return Err(ChainFault::Gap { expected, found: record.seq });
        }
        let hash = record.hash(self.head);
        if record.count < 1 || record.seal != Seal::Chained(hash) {
            return Err(ChainFault::Hash { seq: record.seq });
        }
        self.version = self.version.saturating_add(record.count.into());
        self.head = hash;
        Ok(())
    }

    /// The last change's number and the last record's hash; 0 and [`ChainHash::GENESIS`] before the first.
    #[must_use]
    pub fn head(&self) -> (i64, ChainHash) {
        (self.version, self.head)
    }
}
