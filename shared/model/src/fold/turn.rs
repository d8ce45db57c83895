//! A job whose turn has come.

use crate::ids::Shard;
use crate::operations::{Envelope, PayloadHash};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'d> {
    /// What was submitted, by whom.
    pub envelope: &'d Envelope,
    /// The job's canonical form.
    pub canonical: &'d str,
    /// The shard of its user.
    pub shard: Shard,
    /// How often it failed before.
    pub failures: i32,
    /// Whether it was parked or waits behind a parked one: its place is before all of its user's that come from elsewhere.
    pub was_parked: bool,
}

impl Turn<'_> {
    /// What exactly was asked. Nobody but the API makes ids without a key, so that the same one is the same job: of those nothing is
    /// worked out.
    pub(super) fn payload_hash(&self) -> PayloadHash {
        if self.envelope.job_id.is_of_key() { PayloadHash::of(self.canonical) } else { PayloadHash([0; 32]) }
    }
}
