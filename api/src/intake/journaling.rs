//! Whether accepted jobs are kept in the journal: by this API's own setting, or since another API is set to.
//!
//! A player's jobs must not come by two ways at a time: one that only the queue has would overtake those that wait in the journal
//! to be queued. So the APIs say in Postgres what they are set to and what they do, and while one is set to keep a
//! journal, all do. One that begins to waits until all others do as well; one that is not set to goes on for a while after
//! the last one that is has gone, until what that one has left is queued. So replicas may be changed one by one, in both directions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::web::Data;
use satchel_model::ids::ReplicaId;
use satchel_store::replicas::{self, Announcement, Others};
use satchel_store::{Pool, StoreError};
use satchel_tasks::{Backoff, Task};

use super::Journal;
use super::JournalMode;
use crate::http::deadline;

/// How often an API says what it does.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(2);
/// How long Postgres has for it, in milliseconds.
const ANNOUNCE_DEADLINE_MS: u64 = 2_000;
/// For how long that counts, in milliseconds.
const TTL_MS: i32 = 6_000;
/// How long an API that is not set to keep a journal goes on when the last one's word that is has expired, in milliseconds.
/// Both together are longer than workers wait before they queue what is in the journal alone.
const LINGER_MS: u64 = 3_000;
/// How often one that begins looks whether the others have heard, in milliseconds.
const LOOK_EVERY_MS: u64 = 100;
/// How long it waits for them at most, in milliseconds: those that say nothing more are gone by then.
const PATIENCE_MS: u64 = 10_000;

/// What is said of an API that is not set to keep a journal and does.
pub(crate) const FOLLOWS: &str =
    "another API keeps accepted jobs in the journal: this one does as well, though SATCHEL_JOURNAL is none";

/// See the module.
pub(crate) struct Journaling {
    replica: ReplicaId,
    set: JournalMode,
    journal: Journal,
    is_on: AtomicBool,
}

impl Journaling {
    /// As this API is set to; of the others nothing is known yet.
    pub(crate) fn new(replica: ReplicaId, set: JournalMode, journal: Journal) -> Self {
        Self { replica, set, journal, is_on: AtomicBool::new(set == JournalMode::Postgres) }
    }

    /// Where accepted jobs are kept, if they are.
    pub(crate) fn journal(&self) -> Option<&Journal> {
        self.is_on.load(Ordering::Relaxed).then_some(&self.journal)
    }

    /// What is done now.
    pub(crate) fn mode(&self) -> JournalMode {
        if self.journal().is_some() { JournalMode::Postgres } else { JournalMode::None }
    }

    /// What this API is set to.
    pub(crate) fn set(&self) -> JournalMode {
        self.set
    }

    /// Finds out what the others do before this API takes anything, and waits until they do what it is set to.
    ///
    /// # Errors
    /// If Postgres is away for longer.
    pub(crate) async fn begin(&self, pool: &Pool) -> Result<(), StoreError> {
        let begun = Instant::now();
        let mut is_told = false;
        loop {
            let has_patience = begun.elapsed() < Duration::from_millis(PATIENCE_MS);
            match self.announce(pool).await {
                Ok(others) if self.set == JournalMode::None => {
                    self.turn(others.want_journal);
                    return Ok(());
                }
                Ok(others) if others.all_journal || !has_patience => return Ok(()),
                Ok(_) if is_told => {}
                Ok(_) => {
                    tracing::info!("waiting until the other APIs keep a journal as well");
                    is_told = true;
                }
                Err(error) if !has_patience => return Err(error),
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
        }
    }

    async fn announce(&self, pool: &Pool) -> Result<Others, StoreError> {
        let own = Announcement {
            replica_id: self.replica.as_uuid(),
            wants_journal: self.set == JournalMode::Postgres,
            journals: self.journal().is_some(),
            ttl_ms: TTL_MS,
        };
        deadline::within(ANNOUNCE_DEADLINE_MS, replicas::announce(pool, own)).await
    }

    /// Keeps a journal from now on, or none; whether that is a change.
    fn turn(&self, is_on: bool) -> bool {
        let is_changed = self.is_on.swap(is_on, Ordering::Relaxed) != is_on;
        if is_changed && is_on {
            tracing::warn!("{FOLLOWS}");
        } else if is_changed {
            tracing::info!("no other API keeps accepted jobs in the journal any more, nor does this one");
        }
        is_changed
    }
}

/// Says what this API does, and hears what the others are set to.
pub(crate) struct Announcing {
    journaling: Arc<Journaling>,
    pool: Data<Pool>,
    example: Example,
}

impl Announcing {
    pub(crate) fn new(journaling: Arc<Journaling>, pool: Data<Pool>) -> Self {
        let example = Example { is_followed: journaling.journal().is_some(), missed_since: None };
        Self { journaling, pool, example }
    }
}

impl Task for Announcing {
    const NAME: &'static str = "announce_replica";
    type Error = StoreError;

    async fn round(&mut self) -> Result<Duration, StoreError> {
        let others = self.journaling.announce(&self.pool).await.inspect_err(|_| self.example.unheard())?;
        self.example.heard(others.want_journal, Instant::now());
        let turns = self.journaling.set == JournalMode::None && self.journaling.turn(self.example.is_followed);
        // Somebody may wait to hear it.
        Ok(if turns { Duration::ZERO } else { ANNOUNCE_EVERY })
    }

    fn backoff(&self) -> Backoff {
        Backoff::constant(ANNOUNCE_EVERY)
    }

    /// What one that is set to keep a journal leaves is still to be queued: others go on until its word expires.
    async fn close(self) {
        if self.journaling.set == JournalMode::None
            && let Err(error) = replicas::leave(&self.pool, self.journaling.replica.as_uuid()).await
        {
            tracing::debug!(%error, "this API counts until its word expires");
        }
    }
}

/// Whether others are followed in keeping a journal.
struct Example {
    is_followed: bool,
    /// Since when, without a break, it is heard that nobody wants it any more.
    missed_since: Option<Instant>,
}

impl Example {
    fn heard(&mut self, want_journal: bool, now: Instant) {
        if want_journal {
            self.missed_since = None;
            self.is_followed = true;
        } else if self.is_followed {
            let since = *self.missed_since.get_or_insert(now);
            self.is_followed = now.duration_since(since) < Duration::from_millis(LINGER_MS);
        }
    }

    /// While Postgres was away nobody could say that it is there.
    fn unheard(&mut self) {
        self.missed_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_followed_at_once_and_left_slowly() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut example = Example { is_followed: false, missed_since: None };
        example.heard(false, at(0));
        assert!(!example.is_followed);
        example.heard(true, at(1));
        assert!(example.is_followed);
        example.heard(false, at(2));
        example.heard(false, at(LINGER_MS + 1));
        assert!(example.is_followed, "not long enough");
        example.unheard();
        example.heard(false, at(LINGER_MS + 3));
        assert!(example.is_followed, "nothing was heard meanwhile");
        example.heard(false, at(2 * LINGER_MS + 3));
        assert!(!example.is_followed);
    }
}
