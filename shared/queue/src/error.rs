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
    /// The queue takes no more: out of memory, its disk full, a replica, loading its data, or busy with a script.
    #[error("the queue refuses to write: {0}")]
    Refused(#[source] Source),
    /// It is the queue of another installation; nothing was asked of it.
    #[error("{0}")]
    Foreign(#[source] Source),
    /// The queue answered with an error that no waiting mends.
    #[error("the queue: {0}")]
    Protocol(#[source] Source),
}

impl QueueError {
    /// What anyone may know of why the queue is not ready: no addresses, no users.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::Unavailable(_) => "it does not answer".to_owned(),
            // The server's own words: which limit, which setting.
            Self::Refused(error) => format!("it refuses to write: {error}"),
            Self::Foreign(_) => "it is the queue of another installation".to_owned(),
            Self::Protocol(_) => "it answers with an error".to_owned(),
        }
    }
}
