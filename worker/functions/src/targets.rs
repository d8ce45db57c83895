//! Receivers, where a function has several: each gets runs of its own.

use async_trait::async_trait;
use satchel_store::{StoreError, Tx};

/// A kind of receivers, as [`crate::Fanout::Each`] names it. A worker knows all kinds, also those whose functions it does not
/// run: events are given to the functions of all workers.
#[async_trait]
pub trait TargetSource: Send + Sync {
    /// Its name, the same for ever.
    fn name(&self) -> &'static str;

    /// The receivers that may get events now.
    async fn targets(&self, tx: &mut Tx<'_>) -> Result<Vec<Box<dyn Target>>, StoreError>;
}

/// One receiver.
pub trait Target: Send + Sync {
    /// Its id, as runs name it.
    fn id(&self) -> &str;

    /// Whether it gets an event of this name about this user.
    fn gets(&self, event_name: &str, user_id: &str) -> bool;
}
