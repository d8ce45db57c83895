//! Gives the queue of this worker's shards what only the journal still has.
//!
//! No leases are needed for that: a job that is fed twice is decided once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use satchel_model::ids::{JobId, Shard};
use satchel_model::operations::Envelope;
use satchel_queue::Queue;
use satchel_store::journal::{self, Beginning, Journaled};
use satchel_store::quarantine::{self, RefusedRow};
use satchel_store::{DEADLINE_MS, Session, StoreError};
use satchel_tasks::{Backoff, Task};

use crate::batch::verify::{self, Distrust, Verifier};
use crate::config::EnvelopeKeys;
use crate::outage::Outage;
use crate::shards::LeasedShards;

/// The time between two comparisons of the journal with the queue.
const PERIOD: Duration = Duration::from_secs(1);
/// The same where jobs were missing: there may be more.
const NEXT_PORTION: Duration = Duration::from_millis(200);
/// A journaled job that is not in the queue so long after it was accepted, in milliseconds, counts as forgotten.
const FORGOTTEN_AFTER_MS: u32 = 5_000;
/// Most journaled jobs of a shard that are fed at once.
const MAX_REFED_JOBS: i64 = 100;

/// See the module.
pub(crate) struct Feeder {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) session: Session,
    pub(crate) keys: EnvelopeKeys,
    pub(crate) verifier: Verifier,
    pub(crate) leased: LeasedShards,
}

impl Task for Feeder {
    const NAME: &'static str = "feeder";
    type Error = Outage;

    async fn round(&mut self) -> Result<Duration, Outage> {
        let shards: Vec<Shard> = self.leased.leases().iter().map(|lease| lease.shard).collect();
        Ok(if self.refeed(&shards).await? == 0 { PERIOD } else { NEXT_PORTION })
    }

    fn backoff(&self) -> Backoff {
        Backoff::constant(PERIOD)
    }

    async fn close(self) {
        self.session.close().await;
    }
}

impl Feeder {
    /// Feeds journaled jobs that should stand in front of what their shards' streams begin with, and do not, and takes
    /// rows out of the journal that are none; how many of both.
    async fn refeed(&mut self, shards: &[Shard]) -> Result<usize, Outage> {
        if shards.is_empty() || !self.has_overdue(shards).await? {
            return Ok(0);
        }
        // First the queue, then the journal: a job that left the queue in between has left the journal before.
        let mut heads: BTreeMap<Shard, Vec<JobId>> = shards.iter().map(|shard| (*shard, Vec::new())).collect();
        for entry in self.queue.heads(shards).await? {
            let envelope = entry.sealed().and_then(|sealed| sealed.open(self.keys.iter()).ok());
            match (envelope, heads.get_mut(&entry.shard)) {
                (Some(envelope), Some(heads)) => heads.push(envelope.job_id),
                // What cannot be read now is for the lanes; until it is gone nobody can tell what is missing.
                _ => drop(heads.remove(&entry.shard)),
            }
        }
        let missing = self.session.run(DEADLINE_MS, async |session| missing(session, heads).await).await?;
        let (envelopes, refused) = self.read(&missing);
        if !envelopes.is_empty() {
            for fed in self.queue.restore(&self.keys.current, &envelopes).await? {
                fed?;
            }
            let jobs = envelopes.len();
            tracing::warn!(jobs, "jobs that the queue had forgotten were fed from the journal");
            metrics::counter!("satchel_worker_jobs_refed_total").increment(jobs as u64);
        }
        if !refused.is_empty() {
            self.session.run(DEADLINE_MS, async |session| quarantine(session, &refused).await).await?;
            verify::tell(&refused, "journal");
        }
        Ok(envelopes.len() + refused.len())
    }

    async fn has_overdue(&mut self, shards: &[Shard]) -> Result<bool, StoreError> {
        let look = async |session: &mut Session| journal::has_overdue(session, shards, FORGOTTEN_AFTER_MS).await;
        self.session.run(DEADLINE_MS, look).await
    }

    /// The jobs of these rows, and the rows that are none.
    fn read(&self, rows: &[Journaled]) -> (Vec<Envelope>, Vec<RefusedRow>) {
        let (mut envelopes, mut refused) = (Vec::new(), Vec::new());
        for row in rows {
            match self.verifier.journaled(row) {
                Ok(envelope) => envelopes.push(envelope),
                Err(Distrust::Refused(row)) => refused.push(row),
                Err(Distrust::Waits(reason)) => tracing::error!(job.id = %row.job_id, reason, "a journaled job waits"),
            }
        }
        (envelopes, refused)
    }
}

async fn quarantine(session: &mut Session, refused: &[RefusedRow]) -> Result<(), StoreError> {
    let mut tx = session.begin().await?;
    quarantine::journaled(&mut tx, refused).await?;
    tx.commit().await
}

/// The journal's rows, of some age, from before the beginnings of these shards' streams, and those of delayed jobs.
async fn missing(session: &mut Session, heads: BTreeMap<Shard, Vec<JobId>>) -> Result<Vec<Journaled>, StoreError> {
    let job_ids: Vec<JobId> = heads.values().flatten().copied().collect();
    let seqs = journal::seqs(session, &job_ids).await?;
    let beginnings = heads.into_iter().map(|(shard, heads)| {
        // A first job that the journal does not know is decided and about to go, or was accepted without journal: what
        // came before it cannot be told.
        let known = heads.iter().map(|job_id| seqs.get(job_id).copied().unwrap_or(i64::MIN));
        Beginning { shard, seq: known.min().unwrap_or(i64::MAX) }
    });
    let beginnings: Vec<Beginning> = beginnings.collect();
    journal::forgotten(session, &beginnings, FORGOTTEN_AFTER_MS, MAX_REFED_JOBS).await
}
