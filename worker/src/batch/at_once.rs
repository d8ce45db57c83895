//! A batch in one round trip, or in two where some of its users are not remembered: it is decided on what the lane remembers and
//! has just looked up, without a lock, and written only if all of that is still so. Where it is not, and for whatever is not
//! simple, there is the long way: a transaction ([`super::transaction`]).

use std::collections::{HashMap, HashSet};

use satchel_model::facts::{Facts, Reads};
use satchel_model::fold::{Decisions, Disposition, UserState};
use satchel_model::ids::{ItemId, Shard, UserId, UserKey};
use satchel_model::ledger::Head;
use satchel_store::at_once::{self, Refusal, Remembered, Wanted};
use satchel_store::leases::Lease;
use satchel_store::rules::Patience;
use satchel_store::{Blame, Session, StoreError};

use super::decode::{Delivery, Source};
use super::journal_order::Completed;
use super::load::{self, Cut, Place};
use super::transaction::{Applied, Applier, ApplyError, Portion, applied};
use super::write::Decided;

impl Applier {
    /// Applies a portion so; `None` where it must go the long way. Nothing was written then.
    pub(super) async fn at_once(
        &mut self,
        session: &mut Session,
        portion: Portion<'_>,
    ) -> Result<Option<Applied>, ApplyError> {
        let Some(now) = self.clock.now().filter(|_| is_simple(portion)) else { return Ok(None) };
        let Portion { deliveries, leased, attempts, .. } = portion;
        let Cut { deliveries: cut, reads } = Cut::of(deliveries, &self.catalogue);
        let places = load::parties(cut.iter(), &self.verifier);
        let touched: HashSet<Shard> = cut.iter().map(|delivery| delivery.shard).collect();
        let leases: Vec<Lease> = leased.iter().copied().filter(|lease| touched.contains(&lease.shard)).collect();
        if leases.len() < touched.len() || reads.is_open() || reads.len() > reads.holdings.len() {
            return Ok(None);
        }
        let Some(users) = self.users(session, &places, leased, &reads).await? else { return Ok(None) };
        let heads: Vec<(UserKey, Head)> = users.values().map(|user| (user.key, user.head)).collect();
        let is_behind = |(_, head): &(UserKey, Head)| head.is_blocked || head.decided_at.is_some_and(|at| at > now);
        if heads.iter().any(is_behind) {
            return Ok(None);
        }
        let mut batch = self.batch(users, HashMap::new(), now, attempts);
        let decisions = batch.decide(cut.iter().map(Delivery::turn));
        if !is_plain(&decisions) {
            return Ok(None);
        }
        let decided = Decided::of(&batch, &places, &decisions);
        let on = Remembered {
            worker_id: self.worker_id,
            leases: &leases,
            catalogue_version: self.catalogue_version,
            heads: &heads,
        };
        let done = at_once::apply(session, on, decided.progress(now)).await;
        drop(decided);
        let users = batch.users;
        match done {
            Ok(Ok(clock)) => {
                self.clock.note(clock);
                load::remember(users, &places, leased, &mut self.cache);
                Ok(Some(applied(Completed::delivered(cut.len()), deliveries.len(), decisions)))
            }
            Ok(Err(refusal)) => {
                metrics::counter!("satchel_worker_batches_refused_total").increment(1);
                if let Refusal::Clock(clock) = refusal {
                    self.clock.set(clock);
                }
                Ok(None)
            }
            // Nothing is gained by trying that again without a look.
            Err(error @ (StoreError::Changed | StoreError::Decided)) => Err(error.into()),
            // The long way finds out which job is to blame.
            Err(error) if error.blame() != Blame::Store => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The batch's users as the lane remembers them, and those that it does not as they are found now; `None` if one is otherwise
    /// than it was remembered.
    async fn users(
        &mut self,
        session: &mut Session,
        places: &[Place<'_>],
        leased: &[Lease],
        reads: &Reads<'_>,
    ) -> Result<Option<HashMap<UserId, UserState>>, ApplyError> {
        let mut users = load::recall(places, leased, &mut self.cache);
        let shards: HashMap<&UserId, Shard> = places.iter().copied().collect();
        let is_unknown = |(user_id, item_id): &&(&UserId, ItemId)| {
            users.get(*user_id).is_none_or(|user| !user.facts.holdings.is_known(item_id))
        };
        let asked: Vec<&(&UserId, ItemId)> = reads.holdings.iter().filter(is_unknown).collect();
        let mut wanted: Vec<Wanted<'_>> = Vec::with_capacity(asked.len());
        for (user_id, item_id) in asked {
            let Some(shard) = shards.get(*user_id) else { return Ok(None) };
            wanted.push(Wanted { user_id, shard: *shard, item_id: Some(item_id) });
        }
        let named: HashSet<&UserId> = wanted.iter().map(|wanted| wanted.user_id).collect();
        let nameless = places.iter().filter(|(user_id, _)| !users.contains_key(*user_id) && !named.contains(user_id));
        let alone: Vec<_> = nameless.map(|(user_id, shard)| Wanted { user_id, shard: *shard, item_id: None }).collect();
        wanted.extend(alone);
        if wanted.is_empty() {
            return Ok(Some(users));
        }
        let seen = match at_once::find(session, &wanted).await {
            Ok(seen) if seen.len() == wanted.len() => seen,
            Ok(_) => return Ok(None),
            Err(error) if error.blame() != Blame::Store => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        for (Wanted { user_id, item_id, .. }, (found, holding)) in wanted.into_iter().zip(seen) {
            let user = match users.get_mut(user_id) {
                Some(user) if user.head != found.head => return Ok(None),
                Some(user) => user,
                None if self.check(user_id, &found).is_err() => return Ok(None),
                None => users
                    .entry(user_id.clone())
                    .or_insert_with(|| UserState::new(found.key, found.head, Facts::default())),
            };
            if let Some(item_id) = item_id {
                user.facts.holdings.put(item_id.clone(), holding);
            }
        }
        Ok(Some(users))
    }
}

/// Whether a portion is of jobs from the queue alone, as nearly all are. (What is taken apart is looked at closely.)
fn is_simple(portion: Portion<'_>) -> bool {
    let from_queue = |delivery: &Delivery| matches!(delivery.source, Source::Queue(_)) && !delivery.envelope.journaled;
    portion.patience == Patience::BATCH && portion.quarantined.is_empty() && portion.deliveries.iter().all(from_queue)
}

/// Whether decisions are records and events alone: nobody has to wait, and nothing is to be looked at again.
fn is_plain(decisions: &Decisions) -> bool {
    let is_recorded = |disposition: &Disposition| matches!(disposition, Disposition::Recorded(_));
    !decisions.records.is_empty()
        && decisions.unread.is_none()
        && decisions.conflicts.is_empty()
        && decisions.writes.is_empty()
        && decisions.dispositions.iter().all(is_recorded)
}
