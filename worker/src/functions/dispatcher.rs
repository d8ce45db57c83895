//! Gives events to functions: makes a run of each function that hears of an event, in each shard in order.
//!
//! It needs no lease to be right: a run can be made only once, and how far a shard has come moves only from where it was
//! seen. That only the shard's owner does it spares work.

use satchel_model::ids::{FunctionId, Shard};
use satchel_model::records::Place;
use satchel_store::functions::dispatch::{self, Heard, NewRun, Next, Undispatched};
use satchel_store::functions::listeners::{self, EventNames, Fanout, Listener};
use satchel_store::functions::replays::{self, Replaying};
use satchel_store::webhooks::{self, Subscriber};
use satchel_store::{Session, StoreError, Tx};
use uuid::Uuid;

/// Most events of one shard that are given in one transaction.
const MAX_EVENTS_PER_SHARD: i64 = 100;
/// Most parts of replays that are gone on with in one round.
const MAX_REPLAYS: i64 = 4;

/// How much is done in one round, at most: shards' ends keep waiting who holds runs back meanwhile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portion {
    /// Shards whose events are given.
    pub(super) shards: usize,
    /// Runs that are made; at least those of one event of each of these shards.
    pub(super) runs: usize,
}

impl Portion {
    /// How many events of each of `shards` shards, if each makes so many runs at most.
    fn events(self, shards: usize, runs_per_event: usize) -> i64 {
        let each = self.runs / (shards * runs_per_event).max(1);
        i64::try_from(each).unwrap_or(i64::MAX).clamp(1, MAX_EVENTS_PER_SHARD)
    }
}

/// What a round has found.
pub(super) struct Round {
    /// Whether there may be more to give.
    pub(super) has_more: bool,
    /// Whether any function hears of events.
    pub(super) is_heard: bool,
}

/// Gives some of the events of these shards that were not given yet.
pub(super) async fn round(session: &mut Session, shards: &[Shard], portion: Portion) -> Result<Round, StoreError> {
    let undispatched = dispatch::undispatched(session, shards, portion.shards).await?;
    // Looked at after the events: a function that was there before an event hears of it.
    let listeners = listeners::all(session).await?;
    if listeners.is_empty() {
        if !undispatched.is_empty() {
            nobody_hears(session, &undispatched).await?;
        }
        return Ok(Round { has_more: false, is_heard: false });
    }
    let has_more_events = !undispatched.is_empty() && give(session, &listeners, &undispatched, portion).await?;
    let has_more_replays = replay(session, &listeners, shards, portion).await?;
    Ok(Round { has_more: has_more_events || has_more_replays, is_heard: true })
}

async fn nobody_hears(session: &mut Session, shards: &[Undispatched]) -> Result<(), StoreError> {
    let reached: Vec<(Undispatched, i64)> = shards.iter().map(|shard| (*shard, shard.last)).collect();
    let mut tx = session.begin().await?;
    if dispatch::advance(&mut tx, &reached).await? {
        tx.commit().await?;
    }
    Ok(())
}

/// Whether there may be more events.
async fn give(
    session: &mut Session,
    listeners: &[Listener],
    shards: &[Undispatched],
    portion: Portion,
) -> Result<bool, StoreError> {
    let names = names(listeners);
    let mut tx = session.begin().await?;
    if listeners.iter().any(|listener| listener.ordered) {
        let shards: Vec<Shard> = shards.iter().map(|shard| shard.shard).collect();
        dispatch::lock(&mut tx, &shards).await?;
    }
    let receivers = receivers(&mut tx, listeners).await?;
    let most = portion.events(shards.len(), runs_per_event(listeners, &receivers));
    let next = dispatch::next(&mut tx, shards, names.as_deref(), false, most).await?;
    let runs: Vec<NewRun<'_>> =
        listeners.iter().flat_map(|listener| runs(listener, &next.events, &receivers, None)).collect();
    if !runs.is_empty() {
        dispatch::add_runs(&mut tx, &runs).await?;
    }
    let reached: Vec<(Undispatched, i64)> = shards.iter().map(|shard| (*shard, reached(*shard, &next, most))).collect();
    if dispatch::advance(&mut tx, &reached).await? {
        tx.commit().await?;
    }
    Ok(shards.len() == portion.shards || reached.iter().any(|(shard, reached)| *reached < shard.last))
}

/// The names of all events that some function hears of; `None` if one hears of all.
fn names(listeners: &[Listener]) -> Option<Vec<&str>> {
    let mut all = Vec::new();
    for listener in listeners {
        match &listener.events {
            EventNames::All(_) => return None,
            EventNames::These(names) => all.extend(names.iter().map(String::as_str)),
        }
    }
    all.sort_unstable();
    all.dedup();
    Some(all)
}

/// Up to where a shard's events were looked at, at most so many: where fewer came, there are no others.
fn reached(shard: Undispatched, next: &Next, most: i64) -> i64 {
    let places = || next.events.iter().map(|event| &event.place).chain(&next.damaged);
    let of_shard = || places().filter(|place| place.shard == shard.shard);
    let is_full = i64::try_from(of_shard().count()).unwrap_or(i64::MAX) >= most;
    let last = of_shard().map(|place| place.seq).max();
    last.filter(|_| is_full).unwrap_or(shard.until())
}

/// The webhook endpoints, if some of the functions ask for them.
async fn receivers(tx: &mut Tx<'_>, listeners: &[Listener]) -> Result<Vec<Subscriber>, StoreError> {
    if !listeners.iter().any(|listener| listener.fanout == Fanout::WebhookEndpoints) {
        return Ok(Vec::new());
    }
    webhooks::subscribers(tx).await
}

/// How many runs one event may make.
fn runs_per_event(listeners: &[Listener], receivers: &[Subscriber]) -> usize {
    let runs = |listener: &Listener| match listener.fanout {
        Fanout::One => 1,
        Fanout::WebhookEndpoints => receivers.len(),
    };
    listeners.iter().map(runs).sum()
}

fn runs<'r>(
    listener: &'r Listener,
    events: &'r [Heard],
    receivers: &'r [Subscriber],
    replay_id: Option<Uuid>,
) -> impl Iterator<Item = NewRun<'r>> {
    let heard = events.iter().filter(|event| listener.hears(&event.name));
    let run = move |target, event| NewRun {
        function_id: &listener.function_id,
        target,
        event,
        replay_id,
        is_ordered: listener.ordered,
    };
    heard.flat_map(move |event| {
        let targets: Vec<&str> = match listener.fanout {
            Fanout::One => vec![""],
            Fanout::WebhookEndpoints => {
                let gets = |receiver: &&Subscriber| receiver.gets(&event.name, event.user_id.as_str());
                receivers.iter().filter(gets).map(|receiver| receiver.target.as_str()).collect()
            }
        };
        targets.into_iter().map(move |target| run(target, event))
    })
}

/// Goes on with replays; whether there may be more.
async fn replay(
    session: &mut Session,
    listeners: &[Listener],
    shards: &[Shard],
    portion: Portion,
) -> Result<bool, StoreError> {
    let function_ids: Vec<&FunctionId> = listeners.iter().map(|listener| &listener.function_id).collect();
    let parts = replays::left(session, &function_ids, shards, MAX_REPLAYS).await?;
    if parts.is_empty() {
        return Ok(false);
    }
    let mut tx = session.begin().await?;
    let shards: Vec<Shard> = parts.iter().map(|part| part.left.shard).collect();
    dispatch::lock(&mut tx, &shards).await?;
    for part in &parts {
        let Replaying { replay_id, function_id, event_name, user_id, include_quiet, left } = part;
        let Some(listener) = listeners.iter().find(|listener| listener.function_id.as_str() == function_id) else {
            continue;
        };
        let listener = std::slice::from_ref(listener);
        let receivers = receivers(&mut tx, listener).await?;
        let most = portion.events(parts.len(), runs_per_event(listener, &receivers));
        let next = dispatch::next(&mut tx, &[*left], None, *include_quiet, most).await?;
        let reached = Place { shard: left.shard, seq: reached(*left, &next, most) };
        let mut events = next.events;
        events.retain(|event| {
            event_name.as_ref().is_none_or(|name| *name == event.name)
                && user_id.as_ref().is_none_or(|user_id| user_id == event.user_id.as_str())
        });
        let runs: Vec<NewRun<'_>> =
            listener.iter().flat_map(|listener| runs(listener, &events, &receivers, Some(*replay_id))).collect();
        if !runs.is_empty() {
            dispatch::add_runs(&mut tx, &runs).await?;
        }
        replays::advance(&mut tx, *replay_id, reached, left.last).await?;
    }
    tx.commit().await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(function_id: &str, events: EventNames) -> Listener {
        Listener { function_id: FunctionId::parse(function_id).unwrap(), events, fanout: Fanout::One, ordered: false }
    }

    #[test]
    fn a_round_makes_no_more_runs_than_its_portion_but_for_one_event_of_each_shard() {
        let portion = Portion { shards: 16, runs: 5_000 };
        assert_eq!(portion.events(16, 1), MAX_EVENTS_PER_SHARD);
        assert_eq!((portion.events(16, 100), portion.events(1, 100)), (3, 50));
        assert_eq!((portion.events(16, 1_000), portion.events(1, 0)), (1, MAX_EVENTS_PER_SHARD));
    }

    #[test]
    fn who_hears_of_all_events_makes_all_heard() {
        let these = |names: &[&str]| EventNames::These(names.iter().map(|name| (*name).to_owned()).collect());
        let mut heard = vec![listener("a-b-c", these(&["b/c", "a/b"])), listener("a-b-d", these(&["a/b"]))];
        assert_eq!(names(&heard), Some(vec!["a/b", "b/c"]));
        heard.push(listener("a-b-e", EventNames::All(listeners::All::All)));
        assert_eq!(names(&heard), None);
    }
}
