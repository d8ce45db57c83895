//! What can go wrong between Satchel and its queue.

use std::error::Error;

/// Why, in the words of what the queue is made of.
type Source = Box<dyn Error + Send + Sync>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// No answer, or none in time. What was asked may have happened all the same.
    #[error("the queue is away: {0}")]
    Unavailable(#[source] Source),
    /// The queue takes no more: out of memory, its disk full, a replica, or busy with a script.
    #[error("the queue refuses to write: {0}")]
    Refused(#[source] Source),
    /// The queue answered with an error that no waiting mends.
    #[error("the queue: {0}")]
    Protocol(#[source] Source),
}
