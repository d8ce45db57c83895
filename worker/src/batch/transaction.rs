//! A batch as one transaction: fence, load, decide, write, commit.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use satchel_model::catalogue::Catalogue;
use satchel_model::decide::ChanceKey;
use satchel_model::fold::{Batch, Decisions, Disposition, UserState};
use satchel_model::ids::{JobId, Shard, UserId};
use satchel_model::ledger::LedgerKeys;
use satchel_model::records::JobRecord;
use satchel_store::leases::{self, Fence, Lease};
use satchel_store::parked;
use satchel_store::quarantine::{self, Quarantined, RefusedRow};
use satchel_store::rules::{self, Patience};
use satchel_store::users::Found;
use satchel_store::{Session, StoreError, Tx, catalogue, jobs, users};
use uuid::Uuid;

use super::clock::DatabaseClock;
use super::decode::{Delivery, Source};
use super::holdings_cache::HoldingsCache;
use super::journal_order::{Completed, complete};
use super::load::{self, Cut, Place};
use super::verify::Verifier;
use super::write::{of, settle, tell_of_parking, write};

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

/// What is to be applied in one transaction.
#[derive(Clone, Copy)]
pub(crate) struct Portion<'p> {
    /// Jobs, in order.
    pub(crate) deliveries: &'p [Delivery],
    /// Entries that are none.
    pub(crate) quarantined: &'p [Quarantined],
    /// The leases under which both were read.
    pub(crate) leased: &'p [Lease],
    /// How often it was tried, this time included.
    pub(crate) attempts: i32,
    /// How long anything of it may take.
    pub(crate) patience: Patience,
}

/// What was applied.
pub(crate) struct Applied {
    /// What came of each delivery, in their order; `None` for those that were left for another batch.
    pub(crate) dispositions: Vec<Option<Disposition>>,
    /// Jobs that Postgres had in its journal and that came before some of the batch, with what came of them.
    pub(crate) extra: Vec<(Delivery, Disposition)>,
    /// Rows that were quarantined out of the journal.
    pub(crate) refused: Vec<RefusedRow>,
    /// Jobs decided for the first time.
    pub(crate) decided: usize,
    /// Deliveries of jobs that were decided before.
    pub(crate) redelivered: usize,
}

/// Applies a lane's batches.
pub(crate) struct Applier {
    pub(super) worker_id: Uuid,
    pub(super) verifier: Verifier,
    /// The last catalogue seen; a batch reads it anew when another version is in force.
    pub(super) catalogue: Catalogue,
    pub(super) catalogue_version: i64,
    pub(super) cache: HoldingsCache,
    pub(super) chance: ChanceKey,
    pub(super) ledger_keys: LedgerKeys,
    pub(super) clock: DatabaseClock,
}

impl Applier {
    pub(crate) fn new(worker_id: Uuid, verifier: Verifier, ledger_keys: LedgerKeys, clock: DatabaseClock) -> Self {
        let chance = ChanceKey::new(verifier.key().derive(b"satchel/chance"));
        let (catalogue, cache) = (Catalogue::default(), HoldingsCache::default());
        Self { worker_id, verifier, catalogue, catalogue_version: 0, cache, chance, ledger_keys, clock }
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
        if trust == Trust::Yes
            && let Some(applied) = self.at_once(session, portion).await?
        {
            return Ok(applied);
        }
        let Portion { deliveries, quarantined, leased, attempts, patience } = portion;
        let mut tx = rules::begin(session, patience).await.map_err(ApplyError::Rules)?;
        let shards = deliveries.iter().map(|delivery| delivery.shard);
        let now = self.enter(&mut tx, shards.chain(quarantined.iter().map(|entry| entry.shard)), leased).await?;
        quarantine::insert(&mut tx, quarantined).await?;
        let Cut { deliveries: cut, mut reads } = Cut::of(deliveries, &self.catalogue);
        let places = load::parties(cut.iter(), &self.verifier);
        // First the locks: under them nobody else decides a job of these users. (The same id for another shard's user
        // meets the unique index; the batch is then taken apart and finds it decided.)
        let mut found = self.lock(&mut tx, &places).await?;
        let completed = complete(&mut tx, cut, &self.verifier).await?;
        if !completed.refused().is_empty() {
            quarantine::journaled(&mut tx, completed.refused()).await?;
        }
        let order = completed.in_order(cut);
        let more = missing(load::parties(completed.extra().iter(), &self.verifier), &found);
        found.extend(self.lock(&mut tx, &more).await?);
        let places = [places, more].concat();
        let must_look = trust == Trust::No || found.values().any(|user| user.head.is_blocked);
        let decided = if must_look { decided(&mut tx, &order).await? } else { HashMap::new() };
        let users = load::users(found, &places, leased, &mut self.cache);
        let mut batch = self.batch(users, decided, now, attempts);
        completed.extra().iter().for_each(|delivery| batch.ask(&delivery.envelope, &mut reads));
        load::facts(&mut tx, &mut batch, &order, reads).await?;
        let decisions = batch.decide(order.iter().map(|delivery| delivery.turn()));
        if decisions.unread.is_some() {
            return Err(StoreError::Unread.into());
        }
        for job_id in &decisions.conflicts {
            tracing::warn!(job.id = %job_id, "a job was delivered under another job's id");
        }
        write(&mut tx, &batch, &places, &decisions).await?;
        settle(&mut tx, &order, &decisions.dispositions, self.verifier.key()).await?;
        tx.commit().await?;
        let users = batch.users;
        load::remember(users, &places, leased, &mut self.cache);
        Ok(applied(completed, deliveries.len(), decisions))
    }

    /// What is decided by, with what is decided on.
    pub(super) fn batch(
        &self,
        users: HashMap<UserId, UserState>,
        decided: HashMap<JobId, Arc<JobRecord>>,
        now: DateTime<Utc>,
        attempts: i32,
    ) -> Batch<'_> {
        Batch {
            decided,
            users,
            catalogue: &self.catalogue,
            catalogue_version: self.catalogue_version,
            chance: &self.chance,
            now,
            attempts,
            ledger_key: &self.ledger_keys.current,
        }
    }

    /// Parks a job that failed alone, with what Postgres said of it; it is due again in `retry_in_ms`, or never.
    pub(crate) async fn park(
        &mut self,
        session: &mut Session,
        delivery: &Delivery,
        error: &str,
        retry_in_ms: Option<u32>,
        leased: &[Lease],
    ) -> Result<(), ApplyError> {
        let mut tx = rules::begin(session, Patience::ALONE).await.map_err(ApplyError::Rules)?;
        let now = self.enter(&mut tx, std::iter::once(delivery.shard), leased).await?;
        let user_id = &delivery.envelope.job.user_id;
        users::lock(&mut tx, &[(user_id, delivery.shard)]).await?;
        if let Source::Parked { position, .. } = delivery.source {
            parked::fail_again(&mut tx, user_id, position, error, retry_in_ms).await?;
        } else {
            parked::park(&mut tx, &of(delivery, self.verifier.key()), error, retry_in_ms).await?;
        }
        if retry_in_ms.is_none() {
            tell_of_parking(&mut tx, delivery, now).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The journaled jobs of its player that come before this one and are not decided.
    pub(crate) async fn earlier(
        &self,
        session: &mut Session,
        delivery: &Delivery,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut tx = session.begin().await?;
        let completed = complete(&mut tx, std::slice::from_ref(delivery), &self.verifier).await?;
        tx.commit().await?;
        Ok(completed.into_extra())
    }

    /// Locks users. A ledger that does not end where its head says is nothing to decide on.
    async fn lock(&self, tx: &mut Tx<'_>, places: &[Place<'_>]) -> Result<HashMap<UserId, Found>, StoreError> {
        if places.is_empty() {
            return Ok(HashMap::new());
        }
        let found = users::lock(tx, places).await?;
        found.iter().try_for_each(|(user_id, found)| self.check(user_id, found))?;
        Ok(found)
    }

    /// Whether a ledger ends where its head says.
    pub(super) fn check(&self, user_id: &UserId, Found { key, head, mac }: &Found) -> Result<(), StoreError> {
        let untrusted = |fault| StoreError::Untrusted { user_id: user_id.clone(), fault };
        self.ledger_keys.check_head(key.uid, head, mac.as_deref()).map_err(untrusted)
    }

    /// Holds the leases of these shards until the transaction ends, and sees to it that decisions are made by the
    /// catalogue in force. Gives the database's time.
    async fn enter(
        &mut self,
        tx: &mut Tx<'_>,
        shards: impl Iterator<Item = Shard>,
        leased: &[Lease],
    ) -> Result<DateTime<Utc>, ApplyError> {
        let touched: HashSet<Shard> = shards.collect();
        let own: Vec<Lease> = leased.iter().copied().filter(|lease| touched.contains(&lease.shard)).collect();
        if own.len() < touched.len() {
            return Err(ApplyError::Fenced);
        }
        let rules = match leases::fence(tx, self.worker_id, &own).await.map_err(ApplyError::Rules)? {
            Fence::Leased(rules) => rules,
            Fence::Lost => return Err(ApplyError::Fenced),
            Fence::Locked(shards) => return Err(ApplyError::Locked(shards)),
        };
        self.clock.note(rules.now);
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
}

/// Whether a batch takes its jobs for new. Nearly all are, and Postgres refuses the others ([`StoreError::Decided`]): to
/// look first would cost each batch a round trip, and each job a search.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    Yes,
    No,
}

/// Those of the users that are not locked yet. (A batch that locks more of them later may meet another one that does: Postgres
/// ends one of the two, which is then applied anew.)
fn missing<'d>(places: Vec<Place<'d>>, found: &HashMap<UserId, Found>) -> Vec<Place<'d>> {
    places.into_iter().filter(|(user_id, _)| !found.contains_key(*user_id)).collect()
}

/// Those of the jobs that were decided before.
async fn decided(tx: &mut Tx<'_>, order: &[&Delivery]) -> Result<HashMap<JobId, Arc<JobRecord>>, StoreError> {
    let job_ids: Vec<JobId> = order.iter().map(|delivery| delivery.envelope.job_id).collect();
    let found = jobs::find_decided(tx, &job_ids).await?;
    Ok(found.into_iter().map(|(job_id, record)| (job_id, Arc::new(record))).collect())
}

/// Gives each delivery its ending back.
pub(super) fn applied(completed: Completed, delivered: usize, decisions: Decisions) -> Applied {
    let decided = decisions.records.len();
    let refused = completed.refused().to_vec();
    let (dispositions, extra) = completed.hand_back(delivered, decisions.dispositions);
    Applied { dispositions, extra, refused, decided, redelivered: decisions.redelivered }
}
