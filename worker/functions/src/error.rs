//! Why a round of the engine came to nothing.

use satchel_store::StoreError;

/// See the file.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Postgres is away, or answered with an error.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A function, of a newer worker, has receivers that this worker cannot list. Events wait for a worker that can.
    #[error("this worker knows no receivers of the kind {0:?}")]
    UnknownTargets(String),
}
