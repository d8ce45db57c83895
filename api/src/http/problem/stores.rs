//! Failed calls of the stores, logged where they become an answer.

use satchel_queue::QueueError;
use satchel_store::StoreError;

use super::ApiError;
use crate::http::outage_log::Gate;

/// What may be away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// Postgres.
    Database,
    /// Redis.
    Queue,
}

impl std::fmt::Display for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Database => "database",
            Self::Queue => "queue",
        })
    }
}

impl ApiError {
    /// A failed call of the store, logged here, where it is handled.
    pub(crate) fn of_store(error: &StoreError) -> Self {
        static GATE: Gate = Gate::new();
        match error {
            StoreError::Database(_)
            | StoreError::Deadline { .. }
            | StoreError::Lost
            | StoreError::NotMigrated
            | StoreError::OldSchema(_)
            | StoreError::OtherSchema(_) => {
                if GATE.passes() {
                    tracing::warn!(%error, "the database did not answer");
                }
                Self::Unavailable(Store::Database)
            }
            StoreError::Unreadable(_)
            | StoreError::Changed
            | StoreError::Decided
            | StoreError::Unread
            | StoreError::Untrusted { .. } => {
                tracing::error!(%error, "the database answered what cannot be");
                Self::Internal
            }
        }
    }

    /// A failed call of the queue, logged here, where it is handled. Whatever the reason, nothing was accepted.
    pub(crate) fn of_queue(error: &QueueError) -> Self {
        static GATE: Gate = Gate::new();
        if GATE.passes() {
            tracing::warn!(%error, "the queue did not take or answer what it should");
        }
        Self::Unavailable(Store::Queue)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::of_store(&error)
    }
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        Self::of_queue(&error)
    }
}
