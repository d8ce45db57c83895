//! What an audit saw.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use satchel_model::ids::UserKey;

/// Most findings listed of one audit.
pub const MAX_FINDINGS: usize = 1_000;

/// What an audit saw.
#[derive(Debug, Default)]
pub struct AuditReport {
    /// Records read.
    pub records: u64,
    /// Changes in them.
    pub changes: u64,
    /// What does not hold together, at most [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
}

/// One thing that does not hold together.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Whose: the name or, if it is gone, `#` and the number.
    pub user_id: String,
    /// What.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {}: {}", self.user_id, self.detail)
    }
}

/// How far an audit is; shared with who watches it.
#[derive(Debug, Default)]
pub struct Progress {
    pub(super) expected: AtomicU64,
    pub(super) records: AtomicU64,
    pub(super) changes: AtomicU64,
}

impl Progress {
    /// About how many records there are, by Postgres's statistics; 0 if it does not know.
    #[must_use]
    pub fn expected(&self) -> u64 {
        self.expected.load(Ordering::Relaxed)
    }

    /// How many were read.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, records: u64, changes: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.changes.fetch_add(changes, Ordering::Relaxed);
    }
}

/// Of whom something is found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subject {
    User(UserKey),
    Named(String),
}

/// What all connections have found so far.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Vec<(Subject, String)>>);

impl Tally {
    pub(super) fn add(&self, subject: Subject, detail: impl fmt::Display) {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() < MAX_FINDINGS {
            found.push((subject, detail.to_string()));
        }
    }

    /// All, and none from now on.
    pub(super) fn take(&self) -> Vec<(Subject, String)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
