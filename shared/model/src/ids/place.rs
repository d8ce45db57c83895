//! Places, which users are spread over, and which shards divide among them.

use sha2::{Digest, Sha256};

use super::UserId;

/// How many there are: as many as 12 bits tell apart.
pub(super) const PLACES: u16 = 4_096;

impl UserId {
    /// The user's place: the first 8 bytes of its id's SHA-256, modulo the number of places. Its shard is that modulo the count of
    /// shards.
    #[must_use]
    pub fn place(&self) -> u16 {
        u16::try_from(leading(&Sha256::digest(self.as_str())) % u64::from(PLACES)).unwrap_or_default()
    }
}

/// The first 8 bytes as a number.
pub(super) fn leading(digest: &[u8]) -> u64 {
    digest.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
