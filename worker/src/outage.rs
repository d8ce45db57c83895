//! Trouble with a store, for background tasks: they try again later, whatever it is.

use satchel_queue::QueueError;
use satchel_store::StoreError;

/// A store that could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Outage {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
