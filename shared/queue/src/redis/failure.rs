//! What Redis's errors mean.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::QueueError;

/// What [`is_foreign`] knows its error by.
pub(super) const FOREIGN: &str =
    "another installation uses this Redis: give each one its own, or another database of it (REDIS_URL)";

impl From<RedisError> for QueueError {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            // Also with another password, or something else in Redis's place: the next connection may find it as it should be.
            ErrorKind::Io
            | ErrorKind::AuthenticationFailed
            | ErrorKind::Parse
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::Server(
                ServerErrorKind::ClusterDown
                | ServerErrorKind::TryAgain
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask,
            ) => Self::Unavailable(error.into()),
            _ if is_foreign(&error) => Self::Foreign(error.into()),
            _ if matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "UNBLOCKED")) => Self::Unavailable(error.into()),
            ErrorKind::Server(
                ServerErrorKind::ReadOnly | ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown,
            ) => Self::Refused(error.into()),
            _ if matches!(error.code(), Some("OOM" | "MISCONF" | "BUSY" | "NOREPLICAS")) => Self::Refused(error.into()),
            _ => Self::Protocol(error.into()),
        }
    }
}

/// Nothing came back in time.
pub(super) fn no_answer<E: From<RedisError>>() -> E {
    RedisError::from(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time")).into()
}

/// Whether a connection that was just made is not worth using: the next attempt may find another server, or the same one in
/// another state.
pub(super) fn is_unusable(error: &RedisError) -> bool {
    let is_loading = error.kind() == ErrorKind::Server(ServerErrorKind::BusyLoading);
    is_lost(error) || is_doubtful(error) || is_loading
}

/// Whether the connection is of no more use: nothing but an error that the server itself has said leaves it whole.
pub(super) fn is_lost(error: &RedisError) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType | ErrorKind::Client
    )
}

/// Whether the server says that it is not the one to talk to, or does not know who talks: the name may be another's now.
pub(super) fn is_doubtful(error: &RedisError) -> bool {
    let kind = error.kind();
    matches!(kind, ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown))
        || matches!(error.code(), Some("NOAUTH" | "UNBLOCKED" | "WRONGPASS"))
}

/// Whether it says that the queue is another installation's.
pub(super) fn is_foreign(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Client && error.to_string().contains(FOREIGN)
}
