//! Ledger entries and the chain that ties them together.
//!
//! An entry's hash is SHA-256 over the previous entry's hash and the entry's canonical bytes, so that
//! no entry can be changed, dropped or put in between without every later hash of that user changing.

mod head;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::ids::{ItemId, JobId, UserId};

pub use head::Head;

/// The hash of an entry, or of no entry yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChainHash(pub [u8; 32]);

impl ChainHash {
    /// What the first entry's hash builds on.
    pub const GENESIS: Self = Self([0; 32]);
}

impl std::fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Serialize for ChainHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

/// One entry: one change of one holding, and who, why and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// Whose.
    #[serde(skip)]
    pub user_id: UserId,
    /// The user's entries are numbered from 1 without gaps.
    pub seq: i64,
    /// When it was applied, by the database's clock, to the microsecond.
    #[serde(serialize_with = "crate::moment::serialize")]
    pub at: DateTime<Utc>,
    /// The job that did it.
    pub job_id: JobId,
    /// The job's type.
    #[serde(rename = "type")]
    pub job_type: Cow<'static, str>,
    /// What changed.
    pub item_id: ItemId,
    /// By how many pieces.
    pub delta: i64,
    /// Pieces after it.
    pub balance: i64,
    /// Who submitted the job: `role:subject`.
    pub actor: String,
    /// Why, in the submitter's words.
    pub reason: Option<String>,
    /// The HTTP request that submitted it.
    pub request_id: String,
    /// What brought it about, when that is not the job itself.
    pub cause: Option<String>,
    /// The catalogue that it was decided by.
    pub catalogue_version: i64,
    /// The chain up to and with this entry.
    pub hash: ChainHash,
}

impl LedgerEntry {
    /// The hash that this entry must carry when it follows an entry with the hash `previous`.
    ///
    /// Canonical bytes: the domain tag, then each field in the order below; integers as 8 bytes big-endian,
    /// texts as their length in bytes (8 bytes) and their UTF-8, an absent text as a length of 2^64 − 1.
    #[must_use]
    pub fn chain(&self, previous: ChainHash) -> ChainHash {
        let mut bytes = Canonical(Sha256::new());
        bytes.0.update(b"satchel/ledger-entry/1\0");
        bytes.0.update(previous.0);
        bytes.text(self.user_id.as_str());
        bytes.integer(self.seq);
        bytes.0.update(self.job_id.as_uuid().as_bytes());
        bytes.text(self.item_id.as_str());
        bytes.integer(self.delta);
        bytes.integer(self.balance);
        bytes.text(&self.job_type);
        bytes.text(&self.actor);
        bytes.optional(self.reason.as_deref());
        bytes.text(&self.request_id);
        bytes.optional(self.cause.as_deref());
        bytes.integer(self.catalogue_version);
        bytes.integer(self.at.timestamp_micros());
        ChainHash(bytes.0.finalize().into())
    }
}

/// The canonical form, hashed as it is written.
struct Canonical(Sha256);

impl Canonical {
    fn integer(&mut self, value: i64) {
        self.0.update(value.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
    }

    fn optional(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.0.update(u64::MAX.to_be_bytes()),
        }
    }
}

/// Where a user's ledger does not hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// A number is missing or comes twice.
    #[error("entry {found} stands where entry {expected} should be")]
    Gap {
        /// The number due.
        expected: i64,
        /// The number found.
        found: i64,
    },
    /// The hash does not fit the entry and its predecessor.
    #[error("entry {seq} does not fit its hash")]
    Hash {
        /// The entry.
        seq: i64,
    },
}

/// Follows a user's entries in order of `seq`, from the first.
#[derive(Debug, Clone, Copy)]
pub struct ChainVerifier {
    seq: i64,
    head: ChainHash,
}

impl Default for ChainVerifier {
    fn default() -> Self {
        Self { seq: 0, head: ChainHash::GENESIS }
    }
}

impl ChainVerifier {
    /// Checks the next entry.
    ///
    /// # Errors
    /// [`ChainFault`] if it is not the next one or its hash is wrong.
    pub fn follow(&mut self, entry: &LedgerEntry) -> Result<(), ChainFault> {
        let expected = self.seq + 1;
        if entry.seq != expected {
            return Err(ChainFault::Gap { expected, found: entry.seq });
        }
        if entry.chain(self.head) != entry.hash {
            return Err(ChainFault::Hash { seq: entry.seq });
        }
        (self.seq, self.head) = (entry.seq, entry.hash);
        Ok(())
    }

    /// The last number and hash; 0 and [`ChainHash::GENESIS`] before the first.
    #[must_use]
    pub fn head(&self) -> (i64, ChainHash) {
        (self.seq, self.head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: i64) -> LedgerEntry {
        LedgerEntry {
            user_id: UserId::parse("u1").unwrap(),
            seq,
            at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
            job_id: JobId::from(uuid::Uuid::nil()),
            job_type: "reward_inventory_item".into(),
            item_id: ItemId::parse("gold").unwrap(),
            delta: 5,
            balance: 5 * seq,
            actor: "service:game".into(),
            reason: None,
            request_id: "r".into(),
            cause: None,
            catalogue_version: 1,
            hash: ChainHash::GENESIS,
        }
    }

    fn chained() -> Vec<LedgerEntry> {
        let mut head = ChainHash::GENESIS;
        (1..=3)
            .map(|seq| {
                let mut entry = entry(seq);
                entry.hash = entry.chain(head);
                head = entry.hash;
                entry
            })
            .collect()
    }

    fn verify(entries: &[LedgerEntry]) -> Result<(), ChainFault> {
        let mut verifier = ChainVerifier::default();
        entries.iter().try_for_each(|entry| verifier.follow(entry))
    }

    #[test]
    fn an_untouched_chain_verifies() {
        assert_eq!(verify(&chained()), Ok(()));
    }

    #[test]
    fn an_edited_dropped_or_inserted_entry_breaks_the_chain() {
        let mut edited = chained();
        edited[1].delta = 6;
        assert_eq!(verify(&edited), Err(ChainFault::Hash { seq: 2 }));

        let mut dropped = chained();
        dropped.remove(1);
        assert_eq!(verify(&dropped), Err(ChainFault::Gap { expected: 2, found: 3 }));

        let mut renumbered = dropped;
        renumbered[1].seq = 2;
        assert_eq!(verify(&renumbered), Err(ChainFault::Hash { seq: 2 }));
    }

    #[test]
    fn no_reason_and_an_empty_reason_are_told_apart() {
        let mut empty = entry(1);
        empty.reason = Some(String::new());
        assert_ne!(empty.chain(ChainHash::GENESIS), entry(1).chain(ChainHash::GENESIS));
    }
}
