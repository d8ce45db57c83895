//! Whether a job may overtake others.

use satchel_forms::Form;
use serde::{Deserialize, Serialize};

/// A job's priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, Form)]
#[serde(rename_all = "lowercase")]
#[form(expects = "must be high or normal")]
pub enum Priority {
    /// In the order accepted.
    #[default]
    Normal,
    /// Before the waiting jobs of other players, never before an earlier one of the same player.
    High,
}

impl Priority {
    /// Whether it is the one that jobs have unless they say otherwise.
    #[must_use]
    pub fn is_normal(&self) -> bool {
        *self == Self::Normal
    }
}
