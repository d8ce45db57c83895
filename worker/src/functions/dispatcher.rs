//! Gives events to functions: makes a run of each function that hears of an event, in each shard in order.
//!
//! It needs no lease to be right: a run can be made only once, and how far a shard has come moves only from where it was
//! seen. That only the shard's owner does it spares work.

use satchel_shared::domain::Shard;
use satchel_shared::store::events::Place;
use satchel_shared::store::functions::dispatch::{self, Heard, NewRun, Replaying, Undispatched};
use satchel_shared::store::webhooks::{self, Subscriber};
use satchel_shared::store::{Session, StoreError, Tx};
use uuid::Uuid;

use super::{Fanout, Registered, Registry};

/// Most events of one shard that are given in one transaction.
const MAX_EVENTS_PER_SHARD: i64 = 100;
/// Most parts of replays that are gone on with in one round.
const MAX_REPLAYS: i64 = 4;

/// Gives some of the events of at most `most_shards` of these shards that were not given yet; whether there may be more.
pub(super) async fn round(
    session: &mut Session,
    registry: &Registry,
    shards: &[Shard],
    most_shards: usize,
) -> Result<bool, StoreError> {
    let mut undispatched = dispatch::undispatched(session, shards).await?;
    let has_more_shards = undispatched.len() > most_shards && !registry.is_empty();
    if !registry.is_empty() {
        undispatched.truncate(most_shards);
    }
    let has_more = if undispatched.is_empty() { false } else { give(session, registry, &undispatched).await? };
    Ok(replay(session, registry, shards).await? || has_more || has_more_shards)
}

async fn give(session: &mut Session, registry: &Registry, shards: &[Undispatched]) -> Result<bool, StoreError> {
    let names = registry.names();
    let mut tx = session.begin().await?;
    let events = match &names {
        // Nobody hears of anything.
        Some(names) if names.is_empty() => Vec::new(),
        names => dispatch::next(&mut tx, shards, names.as_deref(), MAX_EVENTS_PER_SHARD).await?,
    };
    let receivers = receivers(&mut tx, registry.iter(), &events).await?;
    let run = |registered| runs(registered, &events, &receivers, None);
    let runs: Vec<NewRun<'_>> = registry.iter().flat_map(run).collect();
    if !runs.is_empty() {
        dispatch::add_runs(&mut tx, &runs).await?;
    }
    let reached: Vec<(Undispatched, i64)> = shards.iter().map(|shard| (*shard, reached(*shard, &events))).collect();
    if dispatch::advance(&mut tx, &reached).await? {
        tx.commit().await?;
    }
    Ok(reached.iter().any(|(shard, reached)| *reached < shard.last))
}

/// Up to where a shard's events were looked at: where fewer came than were asked for, there are no others.
fn reached(shard: Undispatched, events: &[Heard]) -> i64 {
    let of_shard = || events.iter().filter(|event| event.place.shard == shard.shard);
    let is_full = i64::try_from(of_shard().count()).unwrap_or(i64::MAX) >= MAX_EVENTS_PER_SHARD;
    let last = of_shard().map(|event| event.place.seq).max();
    last.filter(|_| is_full).unwrap_or(shard.last)
}

/// The webhook endpoints, if some of the functions ask for them and there is something for them.
async fn receivers<'r>(
    tx: &mut Tx<'_>,
    mut functions: impl Iterator<Item = &'r Registered>,
    events: &[Heard],
) -> Result<Vec<Subscriber>, StoreError> {
    let asks = |registered: &Registered| registered.function.fanout() == Fanout::WebhookEndpoints;
    if events.is_empty() || !functions.any(asks) {
        return Ok(Vec::new());
    }
    webhooks::subscribers(tx).await
}

fn runs<'r>(
    registered: &'r Registered,
    events: &'r [Heard],
    receivers: &'r [Subscriber],
    replay_id: Option<Uuid>,
) -> impl Iterator<Item = NewRun<'r>> {
    let heard = events.iter().filter(|event| registered.function.hears().of(&event.name));
    let run = move |target, event| NewRun { function_id: &registered.id, target, event, replay_id };
    heard.flat_map(move |event| {
        let targets: Vec<&str> = match registered.function.fanout() {
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
async fn replay(session: &mut Session, registry: &Registry, shards: &[Shard]) -> Result<bool, StoreError> {
    let mut tx = session.begin().await?;
    let parts = dispatch::replays(&mut tx, shards, MAX_REPLAYS).await?;
    if parts.is_empty() {
        return Ok(false);
    }
    for part in &parts {
        let Replaying { replay_id, function_id, event_name, user_id, left } = part;
        let mut events = dispatch::next(&mut tx, &[*left], None, MAX_EVENTS_PER_SHARD).await?;
        let reached = Place { shard: left.shard, seq: reached(*left, &events) };
        events.retain(|event| {
            event_name.as_ref().is_none_or(|name| *name == event.name)
                && user_id.as_ref().is_none_or(|user_id| user_id == event.user_id.as_str())
        });
        let Some(registered) = registry.get(function_id) else {
            // Another worker, that runs the function, goes on with it.
            continue;
        };
        let receivers = receivers(&mut tx, std::iter::once(registered), &events).await?;
        let runs: Vec<NewRun<'_>> = runs(registered, &events, &receivers, Some(*replay_id)).collect();
        if !runs.is_empty() {
            dispatch::add_runs(&mut tx, &runs).await?;
        }
        dispatch::advance_replay(&mut tx, *replay_id, reached, left.last).await?;
    }
    tx.commit().await?;
    Ok(parts.iter().any(|part| registry.get(&part.function_id).is_some()))
}
