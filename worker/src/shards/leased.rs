//! The shards that this worker serves at this moment, for whoever serves them.

use std::sync::Arc;

use satchel_functions::OwnLeases;
use satchel_store::leases::Lease;
use tokio::sync::{Notify, watch};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Serving {
    pub(super) leases: Vec<Lease>,
    /// An operator has paused the queue.
    pub(super) is_paused: bool,
}

/// The leases, as they change.
#[derive(Debug, Clone)]
pub(crate) struct LeasedShards {
    serving: watch::Receiver<Arc<Serving>>,
    recheck: Arc<Notify>,
}

impl LeasedShards {
    pub(super) fn new(serving: watch::Receiver<Arc<Serving>>, recheck: Arc<Notify>) -> Self {
        Self { serving, recheck }
    }

    /// The leases under which jobs may be applied: none while the queue is paused.
    pub(crate) fn leases(&mut self) -> Vec<Lease> {
        let serving = self.serving.borrow_and_update();
        if serving.is_paused { Vec::new() } else { serving.leases.clone() }
    }

    /// All leases, also while the queue is paused.
    pub(crate) fn all(&self) -> Vec<Lease> {
        self.serving.borrow().leases.clone()
    }

    /// Waits until they change.
    pub(crate) async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        self.serving.changed().await
    }

    /// Has the owner look at once: a batch was refused, so they are not what they seemed.
    pub(crate) fn recheck(&self) {
        self.recheck.notify_one();
    }
}

impl OwnLeases for LeasedShards {
    fn leases(&self) -> Vec<Lease> {
        self.all()
    }
}
