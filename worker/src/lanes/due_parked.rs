//! Parked jobs whose retry is due: the first of a player's, and in the same batch those blocked behind it.

use satchel_model::ids::Shard;
use satchel_model::operations::Envelope;
use satchel_store::leases::Lease;
use satchel_store::parked::{self, ParkedJob};
use satchel_store::quarantine::{self, RefusedRow};
use satchel_store::{Blame, DEADLINE_MS, Session, StoreError};

use super::lane::Lane;
use crate::batch::verify::{self, Distrust, Verifier};
use crate::batch::{Delivery, RoundError, Source};

/// Most players whose parked jobs go into one batch.
const MAX_RETRIED_USERS: i64 = 100;

impl Lane {
    /// Tries jobs again that are due; whether there were any.
    pub(crate) async fn retry_due(&mut self, leases: &[Lease]) -> Result<bool, RoundError> {
        let most = i64::try_from(self.max_jobs()).unwrap_or(i64::MAX);
        let find = async |session: &mut Session| find(session, leases, most).await;
        let found = match self.pipeline.session.run(DEADLINE_MS, find).await {
            Err(error) if error.blame() != Blame::Store => {
                // The stream goes on.
                tracing::error!(%error, "parked jobs cannot be looked at");
                return Ok(false);
            }
            found => found?,
        };
        let Read { deliveries, refused, of_users } = Read::of(&found, self.pipeline.applier.verifier(), leases);
        if !refused.is_empty() {
            self.quarantine(&refused, &of_users).await?;
        }
        if deliveries.is_empty() {
            return Ok(!refused.is_empty());
        }
        self.pipeline.apply(deliveries, Vec::new(), leases, 1).await?;
        Ok(true)
    }

    /// Takes rows away that are no jobs of ours, so that their players' next ones go on.
    async fn quarantine(&mut self, refused: &[RefusedRow], user_ids: &[&str]) -> Result<(), RoundError> {
        let keep_apart = async |session: &mut Session| keep_apart(session, refused, user_ids).await;
        match self.pipeline.session.run(DEADLINE_MS, keep_apart).await {
            Ok(()) => verify::tell(refused, "parked_jobs"),
            Err(error) if error.blame() != Blame::Store => {
                // Other players' jobs go on.
                tracing::error!(%error, "parked jobs that are not trusted cannot be quarantined");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

async fn keep_apart(session: &mut Session, refused: &[RefusedRow], user_ids: &[&str]) -> Result<(), StoreError> {
    let mut tx = session.begin().await?;
    quarantine::parked(&mut tx, refused, user_ids).await?;
    tx.commit().await
}

async fn find(session: &mut Session, leases: &[Lease], most: i64) -> Result<Vec<ParkedJob>, StoreError> {
    let shards: Vec<_> = leases.iter().map(|lease| lease.shard).collect();
    let user_ids = parked::due(session, &shards, MAX_RETRIED_USERS).await?;
    if user_ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = session.begin().await?;
    let jobs = parked::chain(&mut tx, &user_ids, most).await?;
    tx.commit().await?;
    Ok(jobs)
}

/// Parked jobs, read and verified.
#[derive(Default)]
struct Read<'j> {
    /// Each player's jobs up to the first that has to wait or is none: nothing may overtake it.
    deliveries: Vec<Delivery>,
    /// Rows that are no jobs of ours.
    refused: Vec<RefusedRow>,
    /// The users that those name.
    of_users: Vec<&'j str>,
}

impl<'j> Read<'j> {
    fn of(jobs: &'j [ParkedJob], verifier: &Verifier, leases: &[Lease]) -> Self {
        let mut read = Self::default();
        for chain in jobs.chunk_by(|a, b| a.user_id == b.user_id) {
            for job in chain {
                if !read.add(job, verifier, leases) {
                    break;
                }
            }
        }
        read
    }

    /// Whether the next one of its player may go with it.
    fn add(&mut self, job: &'j ParkedJob, verifier: &Verifier, leases: &[Lease]) -> bool {
        let envelope = match verifier.parked(job) {
            Ok(envelope) => envelope,
            Err(Distrust::Waits(reason)) => {
                tracing::error!(job.id = %job.job_id, reason, "a parked job waits");
                return false;
            }
            Err(Distrust::Refused(row)) => {
                self.refused.push(row);
                self.of_users.push(&job.user_id);
                return false;
            }
        };
        let shard = leases.iter().map(|lease| lease.shard).find(|shard| i32::from(shard.get()) == job.shard);
        // A row that is refused may name a player of another worker's.
        let Some(shard) = shard else { return false };
        self.deliveries.push(delivery(job, envelope, shard));
        true
    }
}

fn delivery(job: &ParkedJob, envelope: Envelope, shard: Shard) -> Delivery {
    let canonical = envelope.job.canonical();
    let source = Source::Parked { position: job.position, failures: job.attempts, tries: job.tries };
    Delivery { envelope, canonical, shard, source }
}
