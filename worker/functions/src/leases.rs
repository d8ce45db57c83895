//! The shards whose events and runs are this worker's.

use satchel_store::leases::Lease;

/// The leases that the worker has at this moment, also while the queue is paused.
pub trait OwnLeases: Send + Sync {
    /// See the trait.
    fn leases(&self) -> Vec<Lease>;
}
