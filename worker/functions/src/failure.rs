//! Why an attempt ended early.

use std::error::Error;
use std::time::Duration;

use chrono::{DateTime, Utc};
use satchel_store::StoreError;

/// Why a function's attempt, or a step of it, ended early. Any error is one that another attempt may not meet.
#[derive(Debug)]
pub struct Failure(pub(crate) Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    /// Another attempt may succeed, not before that time has passed.
    Retriable { error: String, after: Option<Duration> },
    /// No attempt will succeed.
    Permanent(String),
    /// No failure: the run goes on at that moment.
    Sleeping(DateTime<Utc>),
    /// No attempt: the run begins anew at that moment.
    PutOff(DateTime<Utc>),
    /// Nobody wants the run any more.
    Cancelled,
    /// The run is another worker's now.
    Lost,
    /// Postgres is away: nothing is known of the run, and nothing can be written.
    Store(StoreError),
}

impl Failure {
    /// Another attempt may succeed.
    #[must_use]
    pub fn retriable(error: impl Into<String>) -> Self {
        Self(Kind::Retriable { error: error.into(), after: None })
    }

    /// Another attempt may succeed, but not before that time has passed: `Retry-After` (RFC 9110 section 10.2.3).
    #[must_use]
    pub fn retry_after(error: impl Into<String>, after: Duration) -> Self {
        Self(Kind::Retriable { error: error.into(), after: Some(after) })
    }

    /// Nothing was tried: the run is to be begun anew at that moment, and this attempt does not count.
    #[must_use]
    pub fn not_before(when: DateTime<Utc>) -> Self {
        Self(Kind::PutOff(when))
    }

    /// Postgres is away: the attempt is given up, and is begun anew when it is back.
    #[must_use]
    pub fn of_store(error: StoreError) -> Self {
        Self(Kind::Store(error))
    }

    /// Nobody wants the run any more: it is cancelled.
    #[must_use]
    pub fn cancelled() -> Self {
        Self(Kind::Cancelled)
    }

    /// No attempt will succeed: the run has failed.
    #[must_use]
    pub fn permanent(error: impl Into<String>) -> Self {
        Self(Kind::Permanent(error.into()))
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self::retriable(text)
    }
}
