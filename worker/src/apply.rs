//! A batch as one transaction: fence, load, decide, write, commit.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use satchel_model::catalogue::Catalogue;
use satchel_model::facts::OnceKey;
use satchel_model::ids::{ItemId, JobId, Shard, UserId};
use satchel_store::jobs::JobRecord;
use satchel_store::leases::{self, Fence, Lease};
use satchel_store::parked;
use satchel_store::quarantine::{self, Quarantined, RefusedRow};
use satchel_store::rules::{self, Patience};
use satchel_store::users::Head;
use satchel_store::{Session, StoreError, Tx, catalogue, inventory, jobs, rule_grants, users};
use uuid::Uuid;

use crate::complete::{Completed, complete};
use crate::decide::{Decisions, Ending};
use crate::decode::{Delivery, Source};
use crate::recall::Recall;
use crate::verify::Verifier;
use crate::world::{User, World};
use crate::write::{of, settle, tell_of_parking, write};

/// Why a batch was not applied. Nothing of it was then, unless the answer to the commit was lost: in either
/// case its jobs are delivered and decided again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// Another worker has one of the shards.
    #[error("a shard of the batch is another worker's now")]
    Fenced,
    /// Another session keeps the leases of these shards locked.
    #[error("leases are locked by another session")]
    Locked(Vec<Shard>),
    /// An operator has paused the queue.
    #[error("the queue is paused")]
    Paused,
    /// The rules are being changed, for longer than Postgres lets anyone wait: no job is to blame.
    #[error("the rules are being changed: {0}")]
    Rules(#[source] StoreError),
    /// Postgres could not do it now, or not with these jobs.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Most holdings that one transaction may touch. A batch that could touch more is cut short: the rest is left.
const MAX_BATCH_HOLDINGS: usize = 50_000;

/// The most work that one transaction's events may make, in subschemas applied to values: about a second. A batch that could
/// make more is cut short as well.
const MAX_BATCH_CHECKS: u64 = 10_000_000;

/// What is to be applied in one transaction.
#[derive(Clone, Copy)]
pub(crate) struct Portion<'p> {
    /// Jobs, in order.
    pub(crate) deliveries: &'p [Delivery],
    /// Entries that are none.
    pub(crate) quarantined: &'p [Quarantined],
    /// The leases under which both were read.
    pub(crate) held: &'p [Lease],
    /// How often it was tried, this time included.
    pub(crate) attempts: i32,
    /// How long anything of it may take.
    pub(crate) patience: Patience,
}

/// What was applied.
pub(crate) struct Applied {
    /// What came of each delivery, in their order; `None` for those that were left for another batch.
    pub(crate) endings: Vec<Option<Ending>>,
    /// Jobs that Postgres had in its journal and that came before some of the batch, with what came of them.
    pub(crate) extra: Vec<(Delivery, Ending)>,
    /// Rows that were quarantined out of the journal.
    pub(crate) refused: Vec<RefusedRow>,
    /// Jobs decided for the first time.
    pub(crate) decided: usize,
    /// Deliveries of jobs that were decided before.
    pub(crate) redelivered: usize,
}

/// Applies a lane's batches.
pub(crate) struct Applier {
    worker_id: Uuid,
    verifier: Verifier,
    /// The last catalogue seen; a batch reads it anew when another version is in force.
    catalogue: Catalogue,
    catalogue_version: i64,
    recall: Recall,
}

impl Applier {
    pub(crate) fn new(worker_id: Uuid, verifier: Verifier) -> Self {
        Self { worker_id, verifier, catalogue: Catalogue::default(), catalogue_version: 0, recall: Recall::default() }
    }

    /// By what jobs that wait in Postgres are trusted.
    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Applies a portion's deliveries in their order and quarantines its other entries, all or none.
    pub(crate) async fn apply(&mut self, session: &mut Session, portion: Portion<'_>) -> Result<Applied, ApplyError> {
        match self.attempt(session, portion, Trust::Yes).await {
            Err(ApplyError::Store(error @ (StoreError::Changed | StoreError::Decided))) => {
                tracing::warn!(%error, "a batch is applied anew, with a look at what Postgres has");
                // Its transaction is open as long as the connection is.
                session.reset();
                self.attempt(session, portion, Trust::No).await
            }
            applied => applied,
        }
    }

    /// As [`Self::apply`]. What was remembered of the batch's users is forgotten if it fails.
    async fn attempt(
        &mut self,
        session: &mut Session,
        portion: Portion<'_>,
        trust: Trust,
    ) -> Result<Applied, ApplyError> {
        let Portion { deliveries, quarantined, held, attempts, patience } = portion;
        let mut tx = rules::begin(session, patience).await.map_err(ApplyError::Rules)?;
        let shards = deliveries.iter().map(|delivery| delivery.shard);
        let now = self.enter(&mut tx, shards.chain(quarantined.iter().map(|entry| entry.shard)), held).await?;
        quarantine::insert(&mut tx, quarantined).await?;
        let cut = self.cut(deliveries);
        let places: Vec<Place> = sorted(cut.iter().map(|job| (&job.envelope.job.user_id, job.shard)).collect());
        let user_ids: Vec<&UserId> = places.iter().map(|(user_id, _)| *user_id).collect();
        // First the locks: under them nobody else decides a job of these users. (The same id for another shard's user
        // meets the unique index; the batch is then taken apart and finds it decided.)
        let heads = users::lock(&mut tx, &user_ids).await?;
        let completed = complete(&mut tx, cut, &self.verifier).await?;
        if !completed.refused().is_empty() {
            quarantine::journaled(&mut tx, completed.refused()).await?;
        }
        let batch = completed.in_order(cut);
        let must_look = trust == Trust::No || heads.values().any(|head| head.is_held);
        let decided = if must_look { decided(&mut tx, &batch).await? } else { HashMap::new() };
        let users = self.users(&mut tx, heads, &places, held, &batch).await?;
        let mut world = World {
            users,
            decided,
            catalogue: &self.catalogue,
            catalogue_version: self.catalogue_version,
            now,
            attempts,
        };
        let decisions = world.decide(&batch);
        write(&mut tx, &world, &user_ids, &decisions).await?;
        settle(&mut tx, &batch, &decisions.endings, self.verifier.key()).await?;
        tx.commit().await?;
        let users = world.users;
        self.remember(users, &places, held);
        Ok(applied(completed, deliveries.len(), decisions))
    }

    /// The batch's users with the holdings that it can touch: remembered, or read now.
    async fn users(
        &mut self,
        tx: &mut Tx<'_>,
        mut heads: HashMap<UserId, Head>,
        places: &[Place<'_>],
        held: &[Lease],
        batch: &[&Delivery],
    ) -> Result<HashMap<UserId, User>, StoreError> {
        let leases = by_shard(held);
        let mut users: HashMap<UserId, User> = HashMap::with_capacity(places.len());
        for (user_id, shard) in places {
            let Some((user_id, found)) = heads.remove_entry(*user_id) else { continue };
            let lease = leases.get(shard);
            let holdings = lease.map(|lease| self.recall.take(&user_id, **lease, found.version)).unwrap_or_default();
            users.insert(user_id, User::new(found, holdings));
        }
        let mut unknown = self.touched(batch);
        unknown.retain(|(user_id, item_id)| users.get(*user_id).is_none_or(|user| !user.holdings.has(item_id)));
        if !unknown.is_empty() {
            for (user_id, read) in inventory::load(tx, &unknown).await? {
                if let Some(user) = users.get_mut(&user_id) {
                    user.holdings.extend(read);
                }
            }
        }
        let once = self.once_keys(batch);
        if !once.is_empty() {
            for (user_id, key) in rule_grants::find(tx, &once).await? {
                if let Some(user) = users.get_mut(&user_id) {
                    user.holdings.insert_once(key);
                }
            }
        }
        Ok(users)
    }

    fn remember(&mut self, mut users: HashMap<UserId, User>, places: &[Place<'_>], held: &[Lease]) {
        let leases = by_shard(held);
        for (user_id, shard) in places {
            if let (Some((user_id, user)), Some(lease)) = (users.remove_entry(*user_id), leases.get(shard)) {
                self.recall.keep(user_id, **lease, user);
            }
        }
    }

    /// Sets a job aside that failed alone, with what Postgres said of it; it is due again in `retry_in_ms`, or parked.
    pub(crate) async fn set_aside(
        &mut self,
        session: &mut Session,
        delivery: &Delivery,
        error: &str,
        retry_in_ms: Option<u32>,
        held: &[Lease],
    ) -> Result<(), ApplyError> {
        let mut tx = rules::begin(session, Patience::ALONE).await.map_err(ApplyError::Rules)?;
        let now = self.enter(&mut tx, std::iter::once(delivery.shard), held).await?;
        let user_id = &delivery.envelope.job.user_id;
        users::lock(&mut tx, &[user_id]).await?;
        if let Source::SetAside { position, .. } = delivery.source {
            parked::fail_again(&mut tx, user_id, position, error, retry_in_ms).await?;
        } else {
            parked::set_aside(&mut tx, &of(delivery, self.verifier.key()), error, retry_in_ms).await?;
        }
        if retry_in_ms.is_none() {
            tell_of_parking(&mut tx, delivery, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The journaled jobs of its player that come before this one and are not decided.
    pub(crate) async fn earlier(
        &mut self,
        session: &mut Session,
        delivery: &Delivery,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut tx = session.begin().await?;
        let completed = complete(&mut tx, std::slice::from_ref(delivery), &self.verifier).await?;
        tx.commit().await?;
        Ok(completed.into_extra())
    }

    /// Holds the leases of these shards until the transaction ends, and sees to it that decisions are made by the
    /// catalogue in force. Gives the database's time.
    async fn enter(
        &mut self,
        tx: &mut Tx<'_>,
        shards: impl Iterator<Item = Shard>,
        held: &[Lease],
    ) -> Result<DateTime<Utc>, ApplyError> {
        let touched: HashSet<Shard> = shards.collect();
        let leases: Vec<Lease> = held.iter().copied().filter(|lease| touched.contains(&lease.shard)).collect();
        if leases.len() < touched.len() {
            return Err(ApplyError::Fenced);
        }
        let rules = match leases::fence(tx, self.worker_id, &leases).await.map_err(ApplyError::Rules)? {
            Fence::Held(rules) => rules,
            Fence::Lost => return Err(ApplyError::Fenced),
            Fence::Locked(shards) => return Err(ApplyError::Locked(shards)),
        };
        if rules.is_paused {
            return Err(ApplyError::Paused);
        }
        if rules.catalogue_version != self.catalogue_version
            && let Some(published) = catalogue::current_in(tx).await?
        {
            self.catalogue = published.catalogue()?;
            self.catalogue_version = published.version;
            tracing::info!(catalogue.version = published.version, "deciding by another catalogue");
        }
        Ok(rules.now)
    }

    /// As many deliveries as touch [`MAX_BATCH_HOLDINGS`] and make [`MAX_BATCH_CHECKS`] at most, and at least one.
    fn cut<'d>(&self, deliveries: &'d [Delivery]) -> &'d [Delivery] {
        let (mut holdings, mut checks) = (0_usize, 0_u64);
        let fits = |delivery: &&Delivery| {
            delivery.envelope.job.work.touched(&self.catalogue, &mut |_| holdings += 1);
            checks = checks.saturating_add(delivery.envelope.job.work.checks(&self.catalogue));
            holdings <= MAX_BATCH_HOLDINGS && checks <= MAX_BATCH_CHECKS
        };
        let fitting = deliveries.iter().take_while(fits).count();
        deliveries.get(..fitting.max(1)).unwrap_or(deliveries)
    }

    /// What the batch's jobs may have rules give for only once.
    fn once_keys<'d>(&self, batch: &[&'d Delivery]) -> Vec<(&'d UserId, OnceKey)> {
        let keys = batch.iter().flat_map(|Delivery { envelope, .. }| {
            let keys = envelope.job.work.once_keys(&self.catalogue).into_iter();
            keys.map(|key| (&envelope.job.user_id, key))
        });
        sorted(keys.collect())
    }

    /// The holdings that the batch can touch, sorted: so neighbours are read and written one after the other.
    fn touched<'d>(&'d self, batch: &[&'d Delivery]) -> Vec<(&'d UserId, &'d ItemId)> {
        let mut pairs = Vec::with_capacity(batch.len());
        for Delivery { envelope, .. } in batch {
            envelope.job.work.touched(&self.catalogue, &mut |item_id| pairs.push((&envelope.job.user_id, item_id)));
        }
        sorted(pairs)
    }
}

/// Whether a batch takes its jobs for new. Nearly all are, and Postgres refuses the others ([`StoreError::Decided`]): to
/// look first would cost each batch a round trip, and each job a search.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    Yes,
    No,
}

/// Those of the jobs that were decided before.
async fn decided(tx: &mut Tx<'_>, batch: &[&Delivery]) -> Result<HashMap<JobId, Arc<JobRecord>>, StoreError> {
    let job_ids: Vec<JobId> = batch.iter().map(|delivery| delivery.envelope.job_id).collect();
    let found = jobs::find_decided(tx, &job_ids).await?;
    Ok(found.into_iter().map(|(job_id, record)| (job_id, Arc::new(record))).collect())
}

/// A user and its shard.
type Place<'d> = (&'d UserId, Shard);

fn by_shard(leases: &[Lease]) -> HashMap<Shard, &Lease> {
    leases.iter().map(|lease| (lease.shard, lease)).collect()
}

/// In order, each once.
fn sorted<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}

/// Gives each delivery its ending back.
fn applied(completed: Completed, delivered: usize, decisions: Decisions) -> Applied {
    let decided = decisions.records.len();
    let refused = completed.refused().to_vec();
    let (endings, extra) = completed.hand_back(delivered, decisions.endings);
    Applied { endings, extra, refused, decided, redelivered: decisions.redelivered }
}
