//! Where accepted jobs are kept until they are decided: a setting.

use std::str::FromStr;

use serde::Serialize;

/// Where accepted jobs are kept until they are decided, beside the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalMode {
    /// Nowhere: an accepted job is lost if the queue loses it.
    None,
    /// In Postgres, from where workers feed the queue with what it lost.
    Postgres,
}

/// A text that names no place.
#[derive(Debug, thiserror::Error)]
#[error("must be postgres or none")]
pub struct InvalidJournalMode;

impl FromStr for JournalMode {
    type Err = InvalidJournalMode;

    fn from_str(text: &str) -> Result<Self, InvalidJournalMode> {
        match text {
            "none" => Ok(Self::None),
            "postgres" => Ok(Self::Postgres),
            _ => Err(InvalidJournalMode),
        }
    }
}
