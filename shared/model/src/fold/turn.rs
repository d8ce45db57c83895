//! A job whose turn has come.

use crate::ids::Shard;
use crate::operations::{Envelope, PayloadHash};

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'d> {
    /// What was submitted, by whom.
    pub envelope: &'d Envelope,
    /// SHA-256 of the job's canonical form.
    pub payload_hash: PayloadHash,
    /// The shard of its user.
    pub shard: Shard,
    /// How often it failed before.
    pub failures: i32,
    /// Whether it was parked or waits behind a parked one: its place is before all of its user's that come from elsewhere.
    pub was_parked: bool,
}
