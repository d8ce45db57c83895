//! New identifiers: UUIDs of version 7 (RFC 9562), so that index pages fill in order of time.

use satchel_model::ids::{JobId, ReplicaId, RequestId, UserId};
use uuid::Uuid;

/// What can be made anew, unlike any other.
pub trait Fresh: From<Uuid> {
    /// A new one.
    #[must_use]
    fn random() -> Self {
        Self::from(Uuid::now_v7())
    }
}

impl Fresh for RequestId {}
impl Fresh for ReplicaId {}

/// The id of a job without idempotency key.
pub trait FreshJob {
    /// A new one, for this user.
    #[must_use]
    fn fresh(user_id: &UserId) -> Self;
}

impl FreshJob for JobId {
    fn fresh(user_id: &UserId) -> Self {
        Self::placed(Uuid::now_v7(), user_id)
    }
}
