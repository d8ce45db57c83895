//! A row of `parked_jobs`, and what it waits for.

use chrono::{DateTime, Utc};
use satchel_model::ids::{JobId, Shard};
use satchel_model::operations::Envelope;
use satchel_model::operations::PayloadHash;
use satchel_wire::envelope::{EnvelopeKey, SealedEnvelope};
use uuid::Uuid;

use crate::db::stored::{self, Unreadable};

/// A job to add.
#[derive(Debug, Clone, Copy)]
pub struct NewParked<'a> {
    /// The job.
    pub envelope: &'a Envelope,
    /// SHA-256 of its canonical form.
    pub payload_hash: PayloadHash,
    /// Its user's shard.
    pub shard: Shard,
    /// Signs it, as this program writes it: the entry that it came by may have been of an older form.
    pub key: &'a EnvelopeKey,
}

/// What it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedState {
    /// Its next attempt.
    Retrying,
    /// An operator.
    Parked,
    /// The jobs before it.
    Blocked,
}

impl ParkedState {
    /// `retrying`, `parked` or `blocked`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retrying => "retrying",
            Self::Parked => "parked",
            Self::Blocked => "blocked",
        }
    }

    fn parse(text: &str) -> Result<Self, Unreadable> {
        [Self::Retrying, Self::Parked, Self::Blocked]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Unreadable::new("state", text))
    }
}

/// A parked or blocked job, as its row says: nothing of it counts that its envelope does not say as well.
#[derive(Debug, Clone)]
pub struct ParkedJob {
    /// Whose.
    pub user_id: String,
    /// Its place in its user's order.
    pub position: i64,
    /// The job.
    pub job_id: JobId,
    /// Its user's shard.
    pub shard: i32,
    /// What it waits for.
    pub state: ParkedState,
    /// The envelope and who signed it.
    pub sealed: SealedEnvelope,
    /// The database's time when it was read.
    pub read_at: DateTime<Utc>,
    /// Attempts that failed, in all.
    pub attempts: i32,
    /// Attempts that failed since an operator last retried it, or since it came first.
    pub tries: i32,
}

/// As it is stored.
pub(super) struct Row {
    pub(super) user_id: String,
    pub(super) position: i64,
    pub(super) job_id: Uuid,
    pub(super) shard: i32,
    pub(super) state: String,
    pub(super) envelope_version: i32,
    pub(super) body: String,
    pub(super) mac: Vec<u8>,
    pub(super) read_at: DateTime<Utc>,
    pub(super) attempts: i32,
    pub(super) tries: i32,
}

impl TryFrom<Row> for ParkedJob {
    type Error = Unreadable;

    fn try_from(row: Row) -> Result<Self, Unreadable> {
        Ok(Self {
            user_id: row.user_id,
            position: row.position,
            job_id: row.job_id.into(),
            shard: row.shard,
            state: ParkedState::parse(&row.state)?,
            sealed: stored::sealed(row.envelope_version, row.body, row.mac),
            read_at: row.read_at,
            attempts: row.attempts,
            tries: row.tries,
        })
    }
}
