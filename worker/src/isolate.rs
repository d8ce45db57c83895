//! What to do with a batch that failed: find the job, or the shard, that it failed for, and apply the others.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use satchel_shared::domain::{Shard, UserId};
use satchel_shared::queue::EntryRef;
use satchel_shared::store::leases::Lease;
use satchel_shared::store::quarantine::Quarantined;
use satchel_shared::store::{Blame, StoreError};
use tokio::time::Instant;

use crate::decode::{Delivery, Source};
use crate::pipeline::{Pipeline, RoundError, in_time};
use crate::retry;

/// How long one batch is taken apart at most.
const TAKING_APART: Duration = Duration::from_secs(5);

impl Pipeline {
    /// Applies and finishes a batch. If it fails for the sake of one of its jobs, it is taken apart: the others are
    /// applied, and that one is set aside.
    pub(crate) async fn apply(
        &mut self,
        mut batch: Vec<Delivery>,
        quarantined: &[(EntryRef, Quarantined)],
        held: &[Lease],
        attempts: i32,
    ) -> Result<(), RoundError> {
        let error = match self.run(&mut batch, quarantined, held, attempts).await {
            Err(RoundError::Store(error)) if error.blame() != Blame::Store => error,
            done => return done,
        };
        tracing::warn!(%error, jobs = batch.len(), "a batch failed: it is taken apart");
        metrics::counter!("satchel_worker_batches_taken_apart_total").increment(1);
        if !quarantined.is_empty() {
            // What is no job is not to blame.
            self.run(&mut Vec::new(), quarantined, held, attempts).await?;
        }
        self.take_apart(batch, &error, held).await
    }

    /// Applies parts in stream order, and smaller parts of those that fail. Each transaction either finishes jobs, or
    /// sets one aside, or divides a part, so there are at most four for each job; after [`TAKING_APART`] the rest is left
    /// to be delivered again, so that the lane's other shards and retries have their turn.
    async fn take_apart(&mut self, batch: Vec<Delivery>, error: &StoreError, held: &[Lease]) -> Result<(), RoundError> {
        let end = Instant::now() + TAKING_APART;
        let shards = batch.iter().map(|delivery| delivery.shard);
        // What was left once stays left: its stall may be over before the batch is.
        let mut left = Left { shards: shards.filter(|shard| self.stalls.has(*shard)).collect(), users: HashSet::new() };
        let mut parts = VecDeque::new();
        self.divide(batch, error, held, &mut parts, &mut left).await?;
        while let Some(mut part) = parts.pop_front() {
            if self.shutdown.is_cancelled() || Instant::now() > end {
                return Ok(());
            }
            part.retain(|delivery| !left.has(delivery));
            let jobs = part.len();
            if jobs == 0 {
                continue;
            }
            match self.run(&mut part, &[], held, 1).await {
                Ok(()) if !part.is_empty() && part.len() < jobs => parts.push_front(part),
                Ok(()) => left.shards.extend(part.iter().map(|delivery| delivery.shard)),
                Err(RoundError::Store(error)) if error.blame() != Blame::Store => {
                    self.divide(part, &error, held, &mut parts, &mut left).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Puts the parts of a failed part in front; one that cannot be divided is dealt with.
    async fn divide(
        &mut self,
        mut part: Vec<Delivery>,
        error: &StoreError,
        held: &[Lease],
        parts: &mut VecDeque<Vec<Delivery>>,
        left: &mut Left,
    ) -> Result<(), RoundError> {
        let blame = error.blame();
        if blame != Blame::Job {
            let mut by_shard = by_shard(part);
            if by_shard.len() > 1 {
                by_shard.into_values().rev().for_each(|part| parts.push_front(part));
                return Ok(());
            }
            let Some((shard, of_shard)) = by_shard.pop_first() else { return Ok(()) };
            if blame == Blame::Contention || of_shard.len() == 1 {
                self.leave(shard, error, left);
                return Ok(());
            }
            // Perhaps it was too much for one transaction.
            part = of_shard;
        }
        if part.len() > 1 {
            let second = part.split_off(part.len() / 2);
            parts.push_front(second);
            parts.push_front(part);
            return Ok(());
        }
        let Some(delivery) = part.pop() else { return Ok(()) };
        let earlier = self.earlier(&delivery).await?;
        if earlier.is_empty() {
            let (shard, user_id) = (delivery.shard, delivery.envelope.job.user_id.clone());
            match self.give_up_for_now(delivery, error, held).await {
                // Its player's own rows are to blame: nothing can be done about this player now.
                Err(RoundError::Store(error)) if error.blame() != Blame::Store => self.leave(shard, &error, left),
                given_up => {
                    given_up?;
                    left.users.insert(user_id);
                }
            }
            return Ok(());
        }
        // It was not alone: jobs that only the journal had were tried with it.
        parts.push_front(vec![delivery]);
        parts.push_front(earlier);
        Ok(())
    }

    /// Leaves a shard alone for a while.
    fn leave(&mut self, shard: Shard, error: &StoreError, left: &mut Left) {
        tracing::warn!(%shard, %error, "nothing of this shard can be applied now: it waits");
        self.stalls.stall(shard);
        left.shards.insert(shard);
    }

    async fn earlier(&mut self, delivery: &Delivery) -> Result<Vec<Delivery>, RoundError> {
        if !delivery.envelope.journaled || matches!(delivery.source, Source::SetAside { .. }) {
            return Ok(Vec::new());
        }
        let vigil = self.session.vigil();
        let earlier = in_time(&vigil, self.applier.earlier(&mut self.session, delivery)).await;
        if earlier.is_err() {
            self.session.reset();
        }
        Ok(earlier?)
    }

    /// Sets the job aside that failed alone: to be tried again later or, after its last attempt, parked.
    async fn give_up_for_now(
        &mut self,
        delivery: Delivery,
        error: &StoreError,
        held: &[Lease],
    ) -> Result<(), RoundError> {
        let tries = match delivery.source {
            Source::SetAside { tries, .. } => tries.saturating_add(1),
            Source::Queue(_) | Source::Journal => 1,
        };
        let retry_in_ms = (tries < self.max_attempts).then(|| {
            let earlier = u32::try_from(tries - 1).unwrap_or(0);
            u32::try_from(retry::delay(self.first_retry, earlier).as_millis()).unwrap_or(u32::MAX)
        });
        let (job_id, user_id) = (delivery.envelope.job_id, delivery.envelope.job.user_id.clone());
        self.set_aside(delivery, &error.reason(), retry_in_ms, held).await?;
        if let Some(retry_in_ms) = retry_in_ms {
            tracing::warn!(job.id = %job_id, user.id = %user_id, %error, tries, retry_in_ms, "a job failed: set aside");
            metrics::counter!("satchel_worker_jobs_retried_total").increment(1);
        } else {
            tracing::error!(job.id = %job_id, user.id = %user_id, %error, tries, "a job failed too often: parked");
            metrics::counter!("satchel_worker_jobs_parked_total").increment(1);
        }
        Ok(())
    }
}

/// What must not be applied any more while a batch is taken apart: something before it was not.
struct Left {
    shards: HashSet<Shard>,
    /// Players whose job has just failed. Theirs from the stream are held by the transaction itself.
    users: HashSet<UserId>,
}

impl Left {
    fn has(&self, delivery: &Delivery) -> bool {
        let is_behind = delivery.was_set_aside() && self.users.contains(&delivery.envelope.job.user_id);
        is_behind || self.shards.contains(&delivery.shard)
    }
}

fn by_shard(part: Vec<Delivery>) -> BTreeMap<Shard, Vec<Delivery>> {
    let mut by_shard: BTreeMap<Shard, Vec<Delivery>> = BTreeMap::new();
    for delivery in part {
        by_shard.entry(delivery.shard).or_default().push(delivery);
    }
    by_shard
}
