//! What to do with a batch that failed: find the job, or the shard, that it failed for, and apply the others.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use satchel_model::ids::{Shard, UserId};
use satchel_queue::EntryRef;
use satchel_store::leases::Lease;
use satchel_store::quarantine::Quarantined;
use satchel_store::rules::Patience;
use satchel_store::{Blame, DEADLINE_MS, StoreError};
use satchel_tasks::Backoff;
use tokio::time::Instant;

use super::decode::{Delivery, Source};
use super::run::{Pipeline, RoundError};
use crate::shards::Stalls;

/// The longest wait of a job that failed.
const MAX_JOB_RETRY: Duration = Duration::from_mins(5);

/// How long one batch is taken apart at most.
const TAKING_APART: Duration = Duration::from_secs(5);

impl Pipeline {
    /// Applies and finishes a batch. If it fails for the sake of one of its jobs, it is taken apart: the others are
    /// applied, and that one is parked. Shards whose leases another session has locked are left.
    pub(crate) async fn apply(
        &mut self,
        mut batch: Vec<Delivery>,
        mut quarantined: Vec<(EntryRef, Quarantined)>,
        leased: &[Lease],
        attempts: i32,
    ) -> Result<(), RoundError> {
        // Each time around some of its shards are left.
        let error = loop {
            match self.run(&mut batch, &quarantined, leased, attempts, Patience::BATCH).await {
                Err(RoundError::Locked(shards)) => {
                    self.leave_locked(&shards);
                    batch.retain(|delivery| !shards.contains(&delivery.shard));
                    quarantined.retain(|(_, entry)| !shards.contains(&entry.shard));
                    if shards.is_empty() || (batch.is_empty() && quarantined.is_empty()) {
                        return Ok(());
                    }
                }
                Err(RoundError::Store(error)) if error.blame() != Blame::Store => break error,
                done => return done,
            }
        };
        tracing::warn!(%error, jobs = batch.len(), "a batch failed: it is taken apart");
        metrics::counter!("satchel_worker_batches_taken_apart_total").increment(1);
        if !quarantined.is_empty() {
            // What is no job is not to blame.
            self.run(&mut Vec::new(), &quarantined, leased, attempts, Patience::BATCH).await?;
        }
        let mut apart = Apart::of(&batch, &self.stalls);
        self.divide(batch, &error, leased, &mut apart).await?;
        self.take_apart(apart, leased).await
    }

    /// Applies parts of shards that failed lately, each on its own: the others have been applied before.
    pub(crate) async fn probe(&mut self, parts: Vec<Vec<Delivery>>, leased: &[Lease]) -> Result<(), RoundError> {
        self.take_apart(Apart { parts: parts.into(), ..Apart::default() }, leased).await
    }

    /// Applies parts in stream order, and smaller parts of those that fail. Each transaction either finishes jobs, or
    /// parks one, or divides or leaves a part, so there are at most four for each job; after [`TAKING_APART`] the rest
    /// is left to be delivered again, so that the lane's other shards and retries have their turn.
    async fn take_apart(&mut self, mut apart: Apart, leased: &[Lease]) -> Result<(), RoundError> {
        let end = Instant::now() + TAKING_APART;
        while let Some(mut part) = apart.parts.pop_front() {
            if self.shutdown.is_cancelled() || Instant::now() > end {
                return Ok(());
            }
            part.retain(|delivery| !apart.left.has(delivery));
            let jobs = part.len();
            if jobs == 0 {
                continue;
            }
            let shards: HashSet<Shard> = part.iter().map(|delivery| delivery.shard).collect();
            let patience = if jobs == 1 { Patience::ALONE } else { Patience::PART };
            match self.run(&mut part, &[], leased, 1, patience).await {
                Ok(()) => {
                    for shard in &shards {
                        self.stalls.widen(*shard);
                    }
                    if part.is_empty() {
                        continue;
                    }
                    if part.len() < jobs {
                        apart.parts.push_front(part);
                    } else {
                        apart.left.shards.extend(shards);
                    }
                }
                Err(RoundError::Locked(shards)) => {
                    self.leave_locked(&shards);
                    apart.left.shards.extend(shards);
                    apart.parts.push_front(part);
                }
                Err(RoundError::Store(error)) if error.blame() != Blame::Store => {
                    self.divide(part, &error, leased, &mut apart).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Puts the parts of a failed part in front; one that cannot be divided is dealt with.
    async fn divide(
        &mut self,
        part: Vec<Delivery>,
        error: &StoreError,
        leased: &[Lease],
        apart: &mut Apart,
    ) -> Result<(), RoundError> {
        let blame = error.blame();
        let part = if blame == Blame::Job { part } else { apart.by_shard(part) };
        let Some(first) = part.first() else { return Ok(()) };
        let shard = first.shard;
        match blame {
            Blame::Contention => self.leave(shard, error, &mut apart.left),
            Blame::Size if part.len() > 1 && first.was_parked() => apart.split(part, 1),
            Blame::Size if part.len() > 1 => {
                // To try it here, half by half, would keep the others waiting.
                tracing::warn!(%shard, jobs = part.len(), %error, "fewer jobs of this shard are tried next");
                self.stalls.narrow(shard, part.len());
                apart.left.shards.insert(shard);
            }
            _ if part.len() > 1 => {
                let half = part.len() / 2;
                apart.split(part, half);
            }
            _ => self.alone(part, error, leased, apart).await?,
        }
        Ok(())
    }

    /// A job that failed alone, unless jobs that only the journal had were tried with it.
    async fn alone(
        &mut self,
        mut part: Vec<Delivery>,
        error: &StoreError,
        leased: &[Lease],
        apart: &mut Apart,
    ) -> Result<(), RoundError> {
        let Some(delivery) = part.pop() else { return Ok(()) };
        let earlier = self.earlier(&delivery).await?;
        if !earlier.is_empty() {
            apart.parts.push_front(vec![delivery]);
            apart.parts.push_front(earlier);
            return Ok(());
        }
        let (shard, user_id) = (delivery.shard, delivery.envelope.job.user_id.clone());
        match self.give_up_for_now(delivery, error, leased).await {
            // Its player's own rows are to blame: nothing can be done about this player now.
            Err(RoundError::Store(error)) if error.blame() != Blame::Store => {
                self.leave(shard, &error, &mut apart.left);
            }
            Err(RoundError::Locked(shards)) => {
                self.leave_locked(&shards);
                apart.left.shards.extend(shards);
            }
            given_up => {
                given_up?;
                self.stalls.widen(shard);
                apart.left.users.insert(user_id);
            }
        }
        Ok(())
    }

    /// Leaves a shard alone for a while.
    fn leave(&mut self, shard: Shard, error: &StoreError, left: &mut Left) {
        tracing::warn!(%shard, %error, "nothing of this shard can be applied now: it waits");
        self.stalls.suspect(shard);
        left.shards.insert(shard);
    }

    fn leave_locked(&mut self, shards: &[Shard]) {
        tracing::warn!(?shards, "another session has locked the leases of these shards: they wait");
        for shard in shards {
            self.stalls.stall_locked(*shard);
        }
    }

    async fn earlier(&mut self, delivery: &Delivery) -> Result<Vec<Delivery>, RoundError> {
        if !delivery.envelope.journaled || matches!(delivery.source, Source::Parked { .. }) {
            return Ok(Vec::new());
        }
        let applier = &self.applier;
        Ok(self.session.run(DEADLINE_MS, async |session| applier.earlier(session, delivery).await).await?)
    }

    /// Parks the job that failed alone: to be tried again later or, after its last attempt, never.
    async fn give_up_for_now(
        &mut self,
        delivery: Delivery,
        error: &StoreError,
        leased: &[Lease],
    ) -> Result<(), RoundError> {
        let tries = match delivery.source {
            Source::Parked { tries, .. } => tries.saturating_add(1),
            Source::Queue(_) | Source::Journal => 1,
        };
        let retry_in_ms = (tries < self.max_attempts).then(|| {
            let earlier = u32::try_from(tries - 1).unwrap_or(0);
            u32::try_from(Backoff::new(self.first_retry, MAX_JOB_RETRY).delay(earlier).as_millis()).unwrap_or(u32::MAX)
        });
        let (job_id, user_id) = (delivery.envelope.job_id, delivery.envelope.job.user_id.clone());
        self.park(delivery, &error.reason(), retry_in_ms, leased).await?;
        if let Some(retry_in_ms) = retry_in_ms {
            tracing::warn!(job.id = %job_id, user.id = %user_id, %error, tries, retry_in_ms, "a job failed and is tried again");
            metrics::counter!("satchel_worker_jobs_retried_total").increment(1);
        } else {
            tracing::error!(job.id = %job_id, user.id = %user_id, %error, tries, "a job failed too often: parked");
            metrics::counter!("satchel_worker_jobs_parked_total").increment(1);
        }
        Ok(())
    }
}

/// A batch that is being taken apart.
#[derive(Default)]
struct Apart {
    /// In stream order.
    parts: VecDeque<Vec<Delivery>>,
    left: Left,
}

impl Apart {
    fn of(batch: &[Delivery], stalls: &Stalls) -> Self {
        // What was left once stays left: its stall may be over before the batch is.
        let stalled = batch.iter().map(|delivery| delivery.shard).filter(|shard| stalls.has(*shard)).collect();
        Self { parts: VecDeque::new(), left: Left { shards: stalled, users: HashSet::new() } }
    }

    /// Divides a part by its shards; one that is of one shard alone is given back.
    fn by_shard(&mut self, part: Vec<Delivery>) -> Vec<Delivery> {
        let mut by_shard: BTreeMap<Shard, Vec<Delivery>> = BTreeMap::new();
        for delivery in part {
            by_shard.entry(delivery.shard).or_default().push(delivery);
        }
        if by_shard.len() == 1 {
            return by_shard.pop_first().map(|(_, part)| part).unwrap_or_default();
        }
        by_shard.into_values().rev().for_each(|part| self.parts.push_front(part));
        Vec::new()
    }

    /// Divides a part behind so many of its jobs.
    fn split(&mut self, mut part: Vec<Delivery>, jobs: usize) {
        let second = part.split_off(jobs);
        self.parts.push_front(second);
        self.parts.push_front(part);
    }
}

/// What must not be applied any more while a batch is taken apart: something before it was not.
#[derive(Default)]
struct Left {
    shards: HashSet<Shard>,
    /// Players whose job has just failed. Theirs from the stream are leased by the transaction itself.
    users: HashSet<UserId>,
}

impl Left {
    fn has(&self, delivery: &Delivery) -> bool {
        let is_behind = delivery.was_parked() && self.users.contains(&delivery.envelope.job.user_id);
        is_behind || self.shards.contains(&delivery.shard)
    }
}
