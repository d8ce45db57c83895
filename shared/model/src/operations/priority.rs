//! Whether a job may overtake others.

use serde::{Deserialize, Serialize};

/// A job's priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// In the order accepted.
    #[default]
    Normal,
    /// Before the waiting jobs of other players, never before an earlier one of the same player.
    High,
}

/// A text that names no priority.
#[derive(Debug, thiserror::Error)]
#[error("must be high or normal")]
pub struct InvalidPriority;

impl Priority {
    /// Reads `high` or `normal`.
    ///
    /// # Errors
    /// [`InvalidPriority`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidPriority> {
        match text {
            "high" => Ok(Self::High),
            "normal" => Ok(Self::Normal),
            _ => Err(InvalidPriority),
        }
    }

    /// Whether it is the one that jobs have unless they say otherwise.
    #[must_use]
    pub fn is_normal(&self) -> bool {
        *self == Self::Normal
    }
}
