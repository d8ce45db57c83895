//! The key that signs where ledgers end: workers have it, the database does not.

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;

use super::Head;
use crate::ids::Uid;

/// A key of the wrong length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a ledger key must have at least {} bytes", LedgerKey::MIN_BYTES)]
pub struct WeakKey;

/// Why a MAC is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MacFault {
    /// There is none, or it is of the wrong length.
    #[error("it is not signed")]
    Missing,
    /// It names a key that is not at hand.
    #[error("it is signed by another key")]
    OtherKey,
    /// It is not what the key makes of it.
    #[error("it does not fit its signature")]
    Wrong,
}

/// A MAC: the key's id (4 bytes) and the first 16 bytes of an HMAC-SHA256 (RFC 2104, truncated as its section 5 allows).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac([u8; 20]);

impl Mac {
    /// One that somebody made.
    #[must_use]
    pub const fn of_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A key.
#[derive(Clone)]
pub struct LedgerKey {
    mac: Hmac<Sha256>,
    id: [u8; 4],
}

impl LedgerKey {
    /// The shortest key, in bytes: the output length of the hash (RFC 2104 section 3).
    pub const MIN_BYTES: usize = 32;

    /// The key of these bytes. Its id is the first 4 bytes of an HMAC by it over `satchel/ledger-key/1` and a zero byte.
    ///
    /// # Errors
    /// [`WeakKey`] if there are too few.
    pub fn new(bytes: &[u8]) -> Result<Self, WeakKey> {
        if bytes.len() < Self::MIN_BYTES {
            return Err(WeakKey);
        }
        Hmac::new_from_slice(bytes).map(Self::of_mac).map_err(|_| WeakKey)
    }

    /// The key of a whole block of the hash.
    #[must_use]
    pub fn of_block(block: [u8; 64]) -> Self {
        Self::of_mac(Hmac::new(&block.into()))
    }

    fn of_mac(mac: Hmac<Sha256>) -> Self {
        let id = mac.clone().chain_update(b"satchel/ledger-key/1\0").finalize().into_bytes();
        Self { mac, id: id.first_chunk().copied().unwrap_or_default() }
    }

    /// Signs some bytes: the MAC is over the key's id and these.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> Mac {
        let mut mac = self.mac.clone().chain_update(self.id);
        for part in parts {
            mac.update(part);
        }
        let mut bytes = [0; 20];
        let signed = self.id.into_iter().chain(mac.finalize().into_bytes());
        bytes.iter_mut().zip(signed).for_each(|(byte, signed)| *byte = signed);
        Mac(bytes)
    }

    /// Signs where a user's ledger ends: `satchel/head/2` and a zero byte; then, integers big-endian: the user's number (8), the version
    /// (8), the last record's hash (32), the last decision time in microseconds since 1970 (8; the least integer if there is none).
    #[must_use]
    pub fn sign_head(&self, uid: Uid, head: &Head) -> Mac {
        let decided_at = head.decided_at.map_or(i64::MIN, |at| at.timestamp_micros());
        let (uid, version) = (uid.get().to_be_bytes(), head.version.to_be_bytes());
        self.sign(&[b"satchel/head/2\0", &uid, &version, &head.hash.0, &decided_at.to_be_bytes()])
    }
}

impl std::fmt::Debug for LedgerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LedgerKey({})", hex::encode(self.id))
    }
}

/// The keys by which ledgers are trusted.
#[derive(Debug, Clone)]
pub struct LedgerKeys {
    /// Signs.
    pub current: LedgerKey,
    /// Still trusted, while all is signed anew.
    pub previous: Option<LedgerKey>,
}

impl LedgerKeys {
    /// The key of a MAC.
    fn of(&self, mac: &[u8]) -> Result<&LedgerKey, MacFault> {
        let id = if mac.len() == 20 { mac.first_chunk::<4>() } else { None }.ok_or(MacFault::Missing)?;
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        keys.find(|key| key.id == *id).ok_or(MacFault::OtherKey)
    }

    /// Whether a user's ledger ends where its head says. Before the first change there is nothing to sign.
    ///
    /// # Errors
    /// Why not.
    pub fn check_head(&self, uid: Uid, head: &Head, mac: Option<&[u8]>) -> Result<(), MacFault> {
        let mac = mac.unwrap_or_default();
        let is_genesis = Head { is_blocked: false, ..*head } == Head::GENESIS;
        if is_genesis && mac.is_empty() {
            return Ok(());
        }
        self.check(mac, |key| key.sign_head(uid, head))
    }

    /// Whether a MAC is what its key makes of something.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(&self, mac: &[u8], sign: impl FnOnce(&LedgerKey) -> Mac) -> Result<(), MacFault> {
        check(sign(self.of(mac)?), mac)
    }
}

/// Every byte is looked at, so that the time says nothing of where they differ.
fn check(expected: Mac, found: &[u8]) -> Result<(), MacFault> {
    let differs = expected.0.iter().zip(found).fold(0, |differs, (one, other)| differs | (one ^ other));
    if differs == 0 && found.len() == expected.0.len() { Ok(()) } else { Err(MacFault::Wrong) }
}
