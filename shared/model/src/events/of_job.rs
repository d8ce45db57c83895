//! What a decided job tells of.

use super::{Emission, EventType, ItemRewarded, JobFacts, JobRejected, RuleRefused, of_operation};
use crate::decide::{GameEvent, Happening, RuleOutcome};
use crate::ids::EventName;
use crate::operations::{Envelope, RewardResult};

/// The version of the game's own events: the catalogue's version says more.
const GAME_EVENT_VERSION: i16 = 1;

/// The events of an applied job, in order: of the job itself, then what happened by it.
#[must_use]
pub fn of_applied(envelope: &Envelope, happened: Vec<Happening>) -> Vec<Emission> {
    let happened = happened.into_iter().map(|happening| match happening {
        Happening::Game(event) => of_game(event),
        Happening::Rule(event, outcome) => of_rule(envelope, &event, outcome),
    });
    of_operation(envelope.job.work.name()).chain(happened).collect()
}

/// The events of a rejected job.
#[must_use]
pub fn of_rejected() -> Vec<Emission> {
    vec![JobRejected::of_record()]
}

fn of_game(event: GameEvent) -> Emission {
    let GameEvent { name, id, occurred_at, data } = event;
    Emission { name: name.to_string().into(), version: GAME_EVENT_VERSION, id, occurred_at, data: Some(data) }
}

fn of_rule(envelope: &Envelope, event: &EventName, outcome: RuleOutcome) -> Emission {
    let (event, cause) = (event.to_string(), outcome.cause());
    let RuleOutcome { rule, granted, skipped, refused } = outcome;
    match refused {
        Some(refusal) => RuleRefused { rule, event, refusal }.emission(),
        None => ItemRewarded {
            job: JobFacts::of(envelope),
            cause: Some(cause),
            event: Some(event),
            result: RewardResult { granted, skipped },
        }
        .emission(),
    }
}
