//! Makes runs of events: one for each function that subscribes to it, or for each of its targets; in each shard in order.
//!
//! No lease is needed for that: a run can be made only once, and a shard's cursor moves only from where it was
//! seen. That only the shard's owner does it spares work.

use std::collections::HashMap;

use satchel_model::ids::{FunctionId, Shard};
use satchel_model::records::Place;
use satchel_store::functions::dispatch::{self, EventSummary, NewRun, Next, Undispatched};
use satchel_store::functions::listeners::{self, EventNames, Listener};
use satchel_store::functions::replays::{self, Replaying};
use satchel_store::{Session, StoreError, Tx};
use uuid::Uuid;

use crate::{EngineError, Target, TargetSource};

/// Most events of one shard that are given in one transaction.
const MAX_EVENTS_PER_SHARD: i64 = 100;
/// Most parts of replays that are gone on with in one round.
const MAX_REPLAYS: i64 = 4;

/// The most that one round does. Ends of runs of these shards wait for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portion {
    /// Shards whose events are given.
    pub(crate) shards: usize,
    /// Runs that are made; at least those of one event of each of these shards.
    pub(crate) runs: usize,
}

impl Portion {
    /// Most events of each of `shards` shards, where an event makes at most so many runs.
    fn events(self, shards: usize, runs_per_event: usize) -> i64 {
        let each = self.runs / (shards * runs_per_event).max(1);
        i64::try_from(each).unwrap_or(i64::MAX).clamp(1, MAX_EVENTS_PER_SHARD)
    }
}

/// The result of a round.
pub(crate) struct Round {
    /// Whether there may be more to give.
    pub(crate) has_more: bool,
    /// Whether any function subscribes to events.
    pub(crate) has_subscribers: bool,
}

/// Kinds of receivers.
type Sources = [Box<dyn TargetSource>];
/// The receivers of each kind that some function has. At most as many as their sources bound.
type Targets = HashMap<String, Vec<Box<dyn Target>>>;

/// Gives functions some of the events of these shards that they were not given yet.
pub(crate) async fn round(
    session: &mut Session,
    sources: &Sources,
    shards: &[Shard],
    portion: Portion,
) -> Result<Round, EngineError> {
    let undispatched = dispatch::undispatched(session, shards, portion.shards).await?;
    // Looked at after the events: a function that was there before an event gets it.
    let listeners = listeners::all(session).await?;
    if listeners.is_empty() {
        if !undispatched.is_empty() {
            pass_by(session, &undispatched).await?;
        }
        return Ok(Round { has_more: false, has_subscribers: false });
    }
    let has_more_events =
        !undispatched.is_empty() && give(session, sources, &listeners, &undispatched, portion).await?;
    let has_more_replays = replay(session, sources, &listeners, shards, portion).await?;
    Ok(Round { has_more: has_more_events || has_more_replays, has_subscribers: true })
}

/// Moves the shards on, since no function subscribes to anything.
async fn pass_by(session: &mut Session, shards: &[Undispatched]) -> Result<(), StoreError> {
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
    sources: &Sources,
    listeners: &[Listener],
    shards: &[Undispatched],
    portion: Portion,
) -> Result<bool, EngineError> {
    let names = names(listeners);
    let mut tx = session.begin().await?;
    if listeners.iter().any(|listener| listener.ordered) {
        let shards: Vec<Shard> = shards.iter().map(|shard| shard.shard).collect();
        dispatch::lock(&mut tx, &shards).await?;
    }
    let targets = targets(&mut tx, sources, listeners).await?;
    let most = portion.events(shards.len(), runs_per_event(listeners, &targets));
    let next = dispatch::next(&mut tx, shards, names.as_deref(), false, most).await?;
    let runs: Vec<NewRun<'_>> =
        listeners.iter().flat_map(|listener| runs(listener, &next.events, &targets, None)).collect();
    if !runs.is_empty() {
        dispatch::add_runs(&mut tx, &runs).await?;
    }
    let reached: Vec<(Undispatched, i64)> = shards.iter().map(|shard| (*shard, reached(*shard, &next, most))).collect();
    if dispatch::advance(&mut tx, &reached).await? {
        tx.commit().await?;
    }
    Ok(shards.len() == portion.shards || reached.iter().any(|(shard, reached)| *reached < shard.last))
}

/// The names of all events that some function subscribes to; `None` if one takes all.
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

/// The receivers of each kind that some of the functions have.
async fn targets(tx: &mut Tx<'_>, sources: &Sources, listeners: &[Listener]) -> Result<Targets, EngineError> {
    let mut targets = Targets::new();
    for kind in listeners.iter().filter_map(|listener| listener.fanout.kind()) {
        if !targets.contains_key(kind) {
            let source = sources.iter().find(|source| source.name() == kind);
            let source = source.ok_or_else(|| EngineError::UnknownTargets(kind.to_owned()))?;
            targets.insert(kind.to_owned(), source.targets(tx).await?);
        }
    }
    Ok(targets)
}

/// Most runs that one event makes.
fn runs_per_event(listeners: &[Listener], targets: &Targets) -> usize {
    let runs = |listener: &Listener| match listener.fanout.kind() {
        None => 1,
        Some(kind) => targets.get(kind).map_or(0, Vec::len),
    };
    listeners.iter().map(runs).sum()
}

fn runs<'r>(
    listener: &'r Listener,
    events: &'r [EventSummary],
    targets: &'r Targets,
    replay_id: Option<Uuid>,
) -> impl Iterator<Item = NewRun<'r>> {
    let wanted = events.iter().filter(|event| listener.subscribes_to(&event.name));
    let run = move |target, event| NewRun {
        function_id: &listener.function_id,
        target,
        event,
        replay_id,
        is_ordered: listener.ordered,
    };
    wanted.flat_map(move |event| {
        let target_ids: Vec<&str> = match listener.fanout.kind() {
            None => vec![""],
            Some(kind) => {
                let all = targets.get(kind).into_iter().flatten();
                all.filter(|target| target.gets(&event.name, event.user_id.as_str()))
                    .map(|target| target.id())
                    .collect()
            }
        };
        target_ids.into_iter().map(move |target| run(target, event))
    })
}

/// Goes on with replays; whether there may be more.
async fn replay(
    session: &mut Session,
    sources: &Sources,
    listeners: &[Listener],
    shards: &[Shard],
    portion: Portion,
) -> Result<bool, EngineError> {
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
        let targets = targets(&mut tx, sources, listener).await?;
        let most = portion.events(parts.len(), runs_per_event(listener, &targets));
        let next = dispatch::next(&mut tx, &[*left], None, *include_quiet, most).await?;
        let reached = Place { shard: left.shard, seq: reached(*left, &next, most) };
        let mut events = next.events;
        events.retain(|event| {
            event_name.as_ref().is_none_or(|name| *name == event.name)
                && user_id.as_ref().is_none_or(|user_id| user_id == event.user_id.as_str())
        });
        let runs: Vec<NewRun<'_>> =
            listener.iter().flat_map(|listener| runs(listener, &events, &targets, Some(*replay_id))).collect();
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
    use satchel_model::ids::UserId;
    use satchel_store::functions::Fanout;
    use satchel_store::functions::listeners::All;

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
    fn one_function_that_takes_all_events_has_all_looked_at() {
        let these = |names: &[&str]| EventNames::These(names.iter().map(|name| (*name).to_owned()).collect());
        let mut listeners = vec![listener("a-b-c", these(&["b/c", "a/b"])), listener("a-b-d", these(&["a/b"]))];
        assert_eq!(names(&listeners), Some(vec!["a/b", "b/c"]));
        listeners.push(listener("a-b-e", EventNames::All(All::All)));
        assert_eq!(names(&listeners), None);
    }

    struct Door(&'static str);

    impl Target for Door {
        fn id(&self) -> &str {
            self.0
        }

        fn gets(&self, event_name: &str, user_id: &str) -> bool {
            event_name == "a/b" && user_id != self.0
        }
    }

    fn event(user_id: &str, name: &str) -> EventSummary {
        let place = Place { shard: Shard::new(1), seq: 1 };
        EventSummary { place, user_id: UserId::parse(user_id).unwrap(), name: name.to_owned() }
    }

    #[test]
    fn each_target_that_gets_an_event_has_a_run_of_its_own() {
        let doors = Listener { fanout: Fanout::each("doors"), ..listener("a-b-c", EventNames::All(All::All)) };
        let one = listener("a-b-d", EventNames::All(All::All));
        let doors_of = |ids: [&'static str; 2]| ids.map(|id| Box::new(Door(id)) as Box<dyn Target>).into();
        let targets = Targets::from([("doors".to_owned(), doors_of(["d1", "d2"]))]);
        let events = [event("u1", "a/b"), event("d1", "a/b"), event("u1", "a/c")];
        let made = |listener| runs(listener, &events, &targets, None).map(|run| run.target).collect::<Vec<_>>();
        assert_eq!((made(&doors), made(&one)), (vec!["d1", "d2", "d2"], vec!["", "", ""]));
        assert_eq!(runs_per_event(&[doors, one], &targets), 3);
    }
}
