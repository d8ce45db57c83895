//! A batch as one transaction: fence, load, decide, write, commit.

use std::collections::{BTreeSet, HashSet};

use satchel_shared::domain::catalogue::Catalogue;
use satchel_shared::domain::{ItemId, UserId};
use satchel_shared::store::catalogue;
use satchel_shared::store::jobs::JobRecord;
use satchel_shared::store::leases::{self, Lease};
use satchel_shared::store::quarantine::{self, Quarantined};
use satchel_shared::store::{Session, StoreError, Tx, inventory, jobs, ledger, users};
use uuid::Uuid;

use crate::decide::{Decisions, World};
use crate::decode::Delivery;

/// Why a batch was not applied. Nothing of it was then, unless the answer to the commit was lost: in either
/// case its entries are read and decided again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// Another worker has one of the shards.
    #[error("a shard of the batch is another worker's now")]
    Fenced,
    /// Postgres could not do it now.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Most holdings that one transaction may touch. A batch that could touch more is cut short: the rest is read again.
const MAX_BATCH_HOLDINGS: usize = 50_000;

/// What was applied.
pub(crate) struct Applied {
    /// How each delivery ended, in their order; fewer than there were if the batch was cut short.
    pub(crate) outcomes: Vec<JobRecord>,
    /// Jobs decided for the first time.
    pub(crate) decided: usize,
    /// Deliveries of jobs that were decided before.
    pub(crate) redelivered: usize,
}

/// Applies a lane's batches.
pub(crate) struct Applier {
    worker_id: Uuid,
    /// The last catalogue seen; a batch reads it anew when another version is in force.
    catalogue: Catalogue,
    catalogue_version: i64,
}

impl Applier {
    pub(crate) fn new(worker_id: Uuid) -> Self {
        Self { worker_id, catalogue: Catalogue::default(), catalogue_version: 0 }
    }

    /// Applies deliveries in their order and sets the other entries aside, all or none. `held` are the leases under
    /// which both were read.
    pub(crate) async fn apply(
        &mut self,
        session: &mut Session,
        deliveries: &[Delivery],
        quarantined: &[Quarantined],
        held: &[Lease],
        attempts: i32,
    ) -> Result<Applied, ApplyError> {
        let mut tx = session.begin().await?;
        let touched: HashSet<_> = deliveries
            .iter()
            .map(|delivery| delivery.shard)
            .chain(quarantined.iter().map(|entry| entry.shard))
            .collect();
        let leases: Vec<Lease> = held.iter().copied().filter(|lease| touched.contains(&lease.shard)).collect();
        if leases.len() < touched.len() || !leases::fence(&mut tx, self.worker_id, &leases).await? {
            return Err(ApplyError::Fenced);
        }
        self.refresh_catalogue(&mut tx).await?;
        quarantine::insert(&mut tx, quarantined).await?;
        let deliveries = self.cut(deliveries);
        let mut world = self.load(&mut tx, deliveries, attempts).await?;
        let decisions = world.decide(deliveries);
        write(&mut tx, &world, &decisions).await?;
        tx.commit().await?;
        let Decisions { outcomes, records, redelivered, .. } = decisions;
        Ok(Applied { outcomes, decided: records.len(), redelivered })
    }

    async fn refresh_catalogue(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let version = catalogue::hold_version(tx).await?;
        if version != self.catalogue_version
            && let Some(published) = catalogue::current_in(tx).await?
        {
            self.catalogue = published.catalogue()?;
            self.catalogue_version = published.version;
            tracing::info!(catalogue.version = published.version, "deciding by another catalogue");
        }
        Ok(())
    }

    /// As many deliveries as touch [`MAX_BATCH_HOLDINGS`] at most, and at least one.
    fn cut<'d>(&self, deliveries: &'d [Delivery]) -> &'d [Delivery] {
        let mut holdings = 0_usize;
        let fits = |delivery: &&Delivery| {
            delivery.envelope.job.work.touched(&self.catalogue, &mut |_| holdings += 1);
            holdings <= MAX_BATCH_HOLDINGS
        };
        let fitting = deliveries.iter().take_while(fits).count();
        deliveries.get(..fitting.max(1)).unwrap_or(deliveries)
    }

    async fn load(&self, tx: &mut Tx<'_>, deliveries: &[Delivery], attempts: i32) -> Result<World<'_>, StoreError> {
        let job_ids: Vec<_> = deliveries.iter().map(|delivery| delivery.envelope.job_id).collect();
        let mut user_ids: BTreeSet<&UserId> = BTreeSet::new();
        let mut pairs: BTreeSet<(&UserId, &ItemId)> = BTreeSet::new();
        for Delivery { envelope, .. } in deliveries {
            let user_id = &envelope.job.user_id;
            user_ids.insert(user_id);
            envelope.job.work.touched(&self.catalogue, &mut |item_id| {
                pairs.insert((user_id, item_id));
            });
        }
        let user_ids: Vec<_> = user_ids.into_iter().collect();
        let pairs: Vec<_> = pairs.into_iter().collect();
        Ok(World {
            // First the locks: under them nobody else decides a job of these users. (The same id for another shard's
            // user meets the unique index; the batch is then tried again and finds it decided.)
            heads: users::lock(tx, &user_ids).await?,
            decided: jobs::find_decided(tx, &job_ids).await?,
            holdings: inventory::load(tx, &pairs).await?,
            catalogue: &self.catalogue,
            catalogue_version: self.catalogue_version,
            now: tx.now().await?,
            attempts,
        })
    }
}

async fn write(tx: &mut Tx<'_>, world: &World<'_>, decisions: &Decisions) -> Result<(), StoreError> {
    if decisions.records.is_empty() {
        return Ok(());
    }
    jobs::insert(tx, &decisions.records).await?;
    let holdings: Vec<_> = decisions
        .touched
        .iter()
        .filter_map(|((user_id, item_id), touch)| {
            let holding = world.holdings.get(user_id)?.get(item_id);
            Some(inventory::Written { user_id, item_id, holding, granted: touch.granted, used: touch.used })
        })
        .collect();
    if !holdings.is_empty() {
        inventory::write(tx, &holdings, world.now).await?;
    }
    if !decisions.entries.is_empty() {
        ledger::append(tx, &decisions.entries).await?;
        let changed: BTreeSet<&UserId> = decisions.entries.iter().map(|entry| &entry.user_id).collect();
        let heads: Vec<_> =
            changed.into_iter().filter_map(|user_id| Some((user_id, *world.heads.get(user_id)?))).collect();
        users::advance(tx, &heads).await?;
    }
    Ok(())
}
