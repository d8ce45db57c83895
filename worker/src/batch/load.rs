//! What a batch's jobs are decided on: the users that they are of, and the facts that they ask for.

use std::collections::HashMap;

use satchel_model::catalogue::Catalogue;
use satchel_model::facts::{Facts, Reads};
use satchel_model::fold::{Batch, UserState};
use satchel_model::ids::{Shard, UserId};
use satchel_model::operations::Context;
use satchel_store::leases::Lease;
use satchel_store::users::Found;
use satchel_store::{StoreError, Tx, facts};

use super::decode::Delivery;
use super::holdings_cache::HoldingsCache;
use super::verify::Verifier;

/// Most facts that one transaction's jobs may ask for. A batch that asks for more is cut short: the rest is left.
const MAX_BATCH_FACTS: usize = 50_000;

/// The most work that one transaction's events may make, in subschemas applied to values: about a second. A batch that could
/// make more is cut short as well.
const MAX_BATCH_CHECKS: u64 = 10_000_000;

/// How often a batch's jobs are asked what they read: what is named by other facts is asked for once these are known.
const MAX_READ_ROUNDS: usize = 3;

/// The deliveries that one transaction takes, and what they ask for.
pub(crate) struct Cut<'d> {
    pub(crate) deliveries: &'d [Delivery],
    pub(crate) reads: Reads<'d>,
}

impl<'d> Cut<'d> {
    /// As many of the deliveries as ask for [`MAX_BATCH_FACTS`] and make [`MAX_BATCH_CHECKS`] at most, and at least one.
    pub(crate) fn of(deliveries: &'d [Delivery], catalogue: &Catalogue) -> Self {
        let (mut reads, mut checks) = (Reads::default(), 0_u64);
        let fits = |delivery: &&'d Delivery| {
            let job = &delivery.envelope.job;
            job.work.reads(&Context { user_id: &job.user_id, catalogue, known: &|_| None }, &mut reads);
            checks = checks.saturating_add(job.work.checks(catalogue));
            reads.len() <= MAX_BATCH_FACTS && checks <= MAX_BATCH_CHECKS
        };
        let fitting = deliveries.iter().take_while(fits).count();
        Self { deliveries: deliveries.get(..fitting.max(1)).unwrap_or(deliveries), reads }
    }
}

/// A user and its shard.
pub(crate) type Place<'d> = (&'d UserId, Shard);

/// The parties of these jobs, in order, each once: all transactions lock users in this order.
pub(crate) fn parties<'d>(deliveries: impl Iterator<Item = &'d Delivery>, verifier: &Verifier) -> Vec<Place<'d>> {
    let mut places = Vec::with_capacity(deliveries.size_hint().0);
    for delivery in deliveries {
        let job = &delivery.envelope.job;
        places.push((&job.user_id, delivery.shard));
        places.extend(job.work.other_parties().iter().map(|user_id| (user_id, verifier.shard_of(user_id))));
    }
    places.sort_unstable();
    places.dedup();
    places
}

/// The batch's users as they were found, with what the lane remembers of them.
pub(crate) fn users(
    mut found: HashMap<UserId, Found>,
    places: &[Place<'_>],
    leased: &[Lease],
    cache: &mut HoldingsCache,
) -> HashMap<UserId, UserState> {
    let by_shard = by_shard(leased);
    let mut users = HashMap::with_capacity(places.len());
    for (user_id, shard) in places {
        let Some((user_id, Found { key, head, .. })) = found.remove_entry(*user_id) else { continue };
        let lease = by_shard.get(shard);
        let holdings = lease.map(|lease| cache.take(&user_id, **lease, head.version)).unwrap_or_default();
        users.insert(user_id, UserState::new(key, head, Facts { holdings, ..Facts::default() }));
    }
    users
}

/// Those of the users that the lane remembers.
pub(crate) fn recall(places: &[Place<'_>], leased: &[Lease], cache: &mut HoldingsCache) -> HashMap<UserId, UserState> {
    let by_shard = by_shard(leased);
    let mut users = HashMap::with_capacity(places.len());
    for (user_id, shard) in places {
        if let Some(user) = by_shard.get(shard).and_then(|lease| cache.recall(user_id, **lease)) {
            users.insert((*user_id).clone(), user);
        }
    }
    users
}

/// Remembers the users as a committed batch has left them.
pub(crate) fn remember(
    mut users: HashMap<UserId, UserState>,
    places: &[Place<'_>],
    leased: &[Lease],
    cache: &mut HoldingsCache,
) {
    let by_shard = by_shard(leased);
    for (user_id, shard) in places {
        if let (Some((user_id, user)), Some(lease)) = (users.remove_entry(*user_id), by_shard.get(shard)) {
            cache.keep(user_id, **lease, user);
        }
    }
}

/// Reads what the jobs ask for and nobody remembers; `reads` is what they asked for at first.
pub(crate) async fn facts<'d>(
    tx: &mut Tx<'_>,
    batch: &mut Batch<'_>,
    order: &[&'d Delivery],
    mut reads: Reads<'d>,
) -> Result<(), StoreError> {
    for _ in 0..MAX_READ_ROUNDS {
        reads.sort();
        reads.retain_unknown(|user_id| batch.users.get(user_id).map(|user| &user.facts));
        facts::load(tx, &reads, batch).await?;
        if !reads.is_open() {
            break;
        }
        reads = Reads::default();
        for delivery in order {
            batch.ask(&delivery.envelope, &mut reads);
        }
    }
    Ok(())
}

fn by_shard(leases: &[Lease]) -> HashMap<Shard, &Lease> {
    leases.iter().map(|lease| (lease.shard, lease)).collect()
}
