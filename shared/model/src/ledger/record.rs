//! A record: one decided job, as one of its parties keeps it.

use chrono::{DateTime, Utc};

use super::{ChainHash, LedgerKey, LedgerKeys, Mac, MacFault};
use crate::ids::{JobId, UserKey};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub user: UserKey,
    /// The number of its first change; where it changes nothing, the user's last one.
    pub seq: i64,
    /// How many changes it has.
    pub count: i16,
    /// The job, in the record of the user that the job names; `None` for another party.
    pub job_id: Option<JobId>,
    /// Whether the job was rejected.
    pub is_rejected: bool,
    /// When it was written, by the database's clock, to the microsecond.
    pub at: DateTime<Utc>,
    /// What it says: [`super::Body`].
    pub body: String,
    /// What proves it.
    pub seal: Seal,
}

/// What proves a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// Its place in its user's chain.
    Chained(ChainHash),
    /// By itself, where it changes nothing.
    Alone(Mac),
}

impl Seal {
    /// The hash of a record in a chain.
    #[must_use]
    pub fn chained(&self) -> Option<ChainHash> {
        match self {
            Self::Chained(hash) => Some(*hash),
            Self::Alone(_) => None,
        }
    }

    /// Its bytes: 32 in the chain, 20 alone.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Chained(hash) => &hash.0,
            Self::Alone(mac) => mac.as_bytes(),
        }
    }
}

/// The format, in front of each record's bytes.
const FORMAT: &[u8; 17] = b"satchel/record/2\0";

impl Record {
    /// The bytes that a seal covers, but for the body, which stands last: the format (17 bytes); the hash before (32); then, integers
    /// big-endian: the user's number (8), the first change's number (8), how many changes (2), whether rejected (1), the job's id (16,
    /// zeros if none), the time in microseconds since 1970 (8).
    #[must_use]
    pub fn header(&self, previous: ChainHash) -> [u8; 92] {
        let mut header = [0; 92];
        let job_id = self.job_id.map_or([0; 16], |job_id| job_id.as_uuid().into_bytes());
        let parts: [&[u8]; 8] = [
            FORMAT,
            &previous.0,
            &self.user.uid.get().to_be_bytes(),
            &self.seq.to_be_bytes(),
            &self.count.to_be_bytes(),
            &[u8::from(self.is_rejected)],
            &job_id,
            &self.at.timestamp_micros().to_be_bytes(),
        ];
        let mut rest = &mut header[..];
        for part in parts {
            // There is room for all of them.
            let (begin, end) = rest.split_at_mut(part.len().min(rest.len()));
            begin.copy_from_slice(part);
            rest = end;
        }
        header
    }

    /// The hash that it must carry behind a record with the hash `previous`: SHA-256 (FIPS 180-4) over header and body.
    #[must_use]
    pub fn hash(&self, previous: ChainHash) -> ChainHash {
        ChainHash::of(&[&self.header(previous), self.body.as_bytes()])
    }

    /// The MAC that it must carry if it changes nothing, and so follows nobody.
    #[must_use]
    pub fn mac(&self, key: &LedgerKey) -> Mac {
        key.sign(&[&self.header(ChainHash::GENESIS), self.body.as_bytes()])
    }
}

impl LedgerKeys {
    /// Whether a record that changes nothing is as it was signed.
    ///
    /// # Errors
    /// Why not.
    pub fn check_record(&self, record: &Record, mac: &[u8]) -> Result<(), MacFault> {
        self.check(mac, |key| record.mac(key))
    }
}
