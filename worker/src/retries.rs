//! Set-aside jobs whose time has come: the first of its player's, and in the same batch those held behind it.

use satchel_shared::envelope::Envelope;
use satchel_shared::store::leases::Lease;
use satchel_shared::store::parked::{self, ParkedJob};
use satchel_shared::store::{Blame, Session, StoreError};

use crate::decode::{Delivery, Source};
use crate::lane::Lane;
use crate::pipeline::{RoundError, in_time};

/// Most players whose set-aside jobs go into one batch.
const MAX_RETRIED_USERS: i64 = 100;

impl Lane {
    /// Tries jobs again that are due; whether there were any.
    pub(crate) async fn retry_due(&mut self, held: &[Lease]) -> Result<bool, RoundError> {
        let most = i64::try_from(self.portion()).unwrap_or(i64::MAX);
        let vigil = self.pipeline.session.vigil();
        let found = in_time(&vigil, find(&mut self.pipeline.session, held, most)).await;
        let found = match found.inspect_err(|_| self.pipeline.session.reset()) {
            Err(error) if error.blame() != Blame::Store => {
                // The stream goes on.
                tracing::error!(%error, "set-aside jobs cannot be looked at");
                return Ok(false);
            }
            found => found?,
        };
        let deliveries = read_all(&found);
        if deliveries.is_empty() {
            return Ok(false);
        }
        self.pipeline.apply(deliveries, &[], held, 1).await?;
        Ok(true)
    }
}

async fn find(session: &mut Session, held: &[Lease], most: i64) -> Result<Vec<ParkedJob>, StoreError> {
    let shards: Vec<_> = held.iter().map(|lease| lease.shard).collect();
    let user_ids = parked::due(session, &shards, MAX_RETRIED_USERS).await?;
    if user_ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = session.begin().await?;
    let jobs = parked::chain(&mut tx, &user_ids.iter().collect::<Vec<_>>(), most).await?;
    tx.commit().await?;
    Ok(jobs)
}

/// Of each player, the jobs up to the first one that cannot be read: nothing may overtake it.
fn read_all(jobs: &[ParkedJob]) -> Vec<Delivery> {
    let chains = jobs.chunk_by(|a, b| a.user_id == b.user_id);
    chains.flat_map(|chain| chain.iter().map_while(read)).collect()
}

/// A set-aside job was read before by a worker; only one that is older than that cannot read it.
fn read(job: &ParkedJob) -> Option<Delivery> {
    match Envelope::parse_body(job.envelope_version, job.body.as_bytes()) {
        Ok(envelope) => Some(Delivery {
            envelope,
            payload_hash: job.payload_hash,
            shard: job.shard,
            source: Source::SetAside { position: job.position, failures: job.attempts, tries: job.tries },
        }),
        Err(error) => {
            tracing::error!(job.id = %job.job_id, %error, "a set-aside job waits for a newer worker");
            None
        }
    }
}
