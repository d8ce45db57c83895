//! Brings jobs into the streams of this worker's shards: delayed ones that are due, and those that only the journal
//! still has.
//!
//! Neither needs the leases to be safe: promoting is one step of the queue, and a job that is fed twice is decided once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use satchel_shared::domain::{JobId, Shard};
use satchel_shared::envelope::Envelope;
use satchel_shared::queue::Queue;
use satchel_shared::store::journal::{self, Beginning, Journaled};
use satchel_shared::store::{Session, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::EnvelopeKeys;
use crate::ownership::Held;
use crate::pipeline::{RoundError, in_time};

/// How often delayed jobs are looked at.
const PROMOTE_EVERY: Duration = Duration::from_millis(200);
/// Most delayed jobs that one shard is given at once.
const MAX_PROMOTED_JOBS: usize = 500;
/// How often the journal is compared with the queue.
const REFEED_EVERY: Duration = Duration::from_secs(1);
/// A journaled job that is not in the queue so long after it was accepted, in milliseconds, counts as forgotten.
const FORGOTTEN_AFTER_MS: u32 = 5_000;
/// Most journaled jobs of a shard that are fed at once.
const MAX_REFED_JOBS: i64 = 100;

/// The first job of a stream, and when its entry was added.
type Head = (JobId, Option<DateTime<Utc>>);

/// See the module.
pub(crate) struct Feeder {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) session: Session,
    pub(crate) keys: EnvelopeKeys,
    pub(crate) held: Held,
}

impl Feeder {
    /// Feeds until the shutdown.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut compared: Option<Instant> = None;
        loop {
            let shards: Vec<Shard> = self.held.leases().iter().map(|lease| lease.shard).collect();
            if let Err(error) = self.queue.promote(&shards, MAX_PROMOTED_JOBS).await {
                // The lanes tell of an outage.
                tracing::debug!(%error, "delayed jobs could not be looked at");
            }
            if compared.is_none_or(|at| at.elapsed() >= REFEED_EVERY) {
                match self.refeed(&shards).await {
                    Ok(0) => compared = Some(Instant::now()),
                    Ok(jobs) => tracing::warn!(jobs, "jobs that the queue had forgotten were fed from the journal"),
                    Err(error) => {
                        tracing::debug!(%error, "the journal could not be compared with the queue");
                        self.session.reset();
                        compared = Some(Instant::now());
                    }
                }
            }
            if shutdown.run_until_cancelled(tokio::time::sleep(PROMOTE_EVERY)).await.is_none() {
                break;
            }
        }
        self.session.close().await;
    }

    /// Feeds journaled jobs that should stand in front of what their shards' streams begin with, and do not; how many.
    async fn refeed(&mut self, shards: &[Shard]) -> Result<usize, RoundError> {
        let vigil = self.session.vigil();
        if shards.is_empty()
            || !in_time(&vigil, journal::has_overdue(&mut self.session, shards, FORGOTTEN_AFTER_MS)).await?
        {
            return Ok(0);
        }
        // First the queue, then the journal: a job that left the queue in between has left the journal before.
        let mut heads: BTreeMap<Shard, Vec<Head>> = shards.iter().map(|shard| (*shard, Vec::new())).collect();
        for entry in self.queue.heads(shards).await? {
            let envelope = entry.sealed().and_then(|sealed| sealed.open(self.keys.iter()).ok());
            match (envelope, heads.get_mut(&entry.shard)) {
                (Some(envelope), Some(heads)) => heads.push((envelope.job_id, entry.added_at())),
                // What cannot be read now is for the lanes; until it is gone nobody can tell what is missing.
                _ => drop(heads.remove(&entry.shard)),
            }
        }
        let missing = in_time(&vigil, missing(&mut self.session, heads)).await?;
        let envelopes: Vec<Envelope> = missing.iter().filter_map(read).collect();
        for fed in self.queue.enqueue(&self.keys.current, &envelopes).await? {
            fed?;
        }
        metrics::counter!("satchel_worker_jobs_refed_total").increment(envelopes.len() as u64);
        Ok(envelopes.len())
    }
}

/// What the journal has, for a while already, from before what these shards' streams begin with.
async fn missing(session: &mut Session, heads: BTreeMap<Shard, Vec<Head>>) -> Result<Vec<Journaled>, StoreError> {
    let job_ids: Vec<JobId> = heads.values().flatten().map(|(job_id, _)| *job_id).collect();
    let seqs = journal::seqs(session, &job_ids).await?;
    let mut beginnings = Vec::new();
    for (shard, heads) in heads {
        // A first job that the journal does not know is decided and about to go, or delayed, or was accepted without
        // journal.
        let known: Option<Vec<i64>> = heads.iter().map(|(job_id, _)| seqs.get(job_id).copied()).collect();
        if let Some(known) = known {
            let added_at = heads.iter().filter_map(|(_, added_at)| *added_at).min();
            beginnings.push(Beginning { shard, seq: known.into_iter().min(), added_at });
        }
    }
    journal::forgotten(session, &beginnings, FORGOTTEN_AFTER_MS, MAX_REFED_JOBS).await
}

fn read(row: &Journaled) -> Option<Envelope> {
    Envelope::parse_body(row.envelope_version, row.body.as_bytes())
        .inspect_err(|error| tracing::error!(job.id = %row.job_id, %error, "a journaled job waits for a newer worker"))
        .ok()
}
