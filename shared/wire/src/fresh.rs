//! New identifiers: UUIDs of version 7 (RFC 9562), so that index pages fill in order of time.

use satchel_model::ids::{JobId, ReplicaId, RequestId};
use uuid::Uuid;

/// What can be made anew, unlike any other.
pub trait Fresh: From<Uuid> {
    /// A new one.
    #[must_use]
    fn random() -> Self {
        Self::from(Uuid::now_v7())
    }
}

/// For a job without idempotency key.
impl Fresh for JobId {}
impl Fresh for RequestId {}
impl Fresh for ReplicaId {}
