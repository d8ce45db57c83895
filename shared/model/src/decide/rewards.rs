//! What reward rules give for an event, on top of what its job takes and gives.

use serde_json::{Map, Value};

use super::{Draft, GameEvent, Happening, RuleOutcome, SkipReason, Skipped};
use crate::catalogue::{Catalogue, Rule};
use crate::facts::{Reads, RuleGrant};
use crate::ids::{EventName, UserId};
use crate::rejection::Rejection;

/// Asks for what the rules for an event may look at.
pub fn reads_of_rules<'a>(
    catalogue: &Catalogue,
    user_id: &'a UserId,
    event: &EventName,
    data: &Map<String, Value>,
    reads: &mut Reads<'a>,
) {
    catalogue.given_for(event).iter().for_each(|item_id| reads.holding(user_id, item_id));
    for key in catalogue.once_keys(event, data) {
        reads.fact::<RuleGrant>(user_id, key);
    }
}

impl Draft<'_> {
    /// Records that an event of the game's own happens, and gives what the catalogue's rules give for it, each rule all of it
    /// or nothing.
    pub fn record(&mut self, event: GameEvent, data: &Map<String, Value>) -> Vec<RuleOutcome> {
        let name = event.name.clone();
        self.happened.push(Happening::Game(event));
        let catalogue = self.catalogue;
        let outcomes: Vec<_> = catalogue.rules_on(&name).map(|rule| self.follow(rule, data)).collect();
        // Of a rule that had nothing to give nothing is told: most events of a rule that gives once come when it has.
        let told = outcomes.iter().filter(|outcome| outcome.refused.is_some() || !outcome.granted.is_empty());
        self.happened.extend(told.map(|outcome| Happening::Rule(name.clone(), outcome.clone())));
        outcomes
    }

    fn follow(&mut self, rule: &Rule, data: &Map<String, Value>) -> RuleOutcome {
        let mut outcome =
            RuleOutcome { rule: rule.id.clone(), granted: Vec::new(), skipped: Vec::new(), refused: None };
        let once = match rule.once_key(data) {
            Ok(once) => once,
            Err(at) => {
                outcome.refused = Some(Rejection::invalid_event(format!("{} has no value to give for", at.as_str())));
                return outcome;
            }
        };
        if once.as_ref().is_some_and(|key| self.user.fact::<RuleGrant>(key)) {
            let already = |item_id| Skipped { item_id, quantity: None, reason: SkipReason::AlreadyGranted };
            outcome.skipped = rule.grant.iter().map(|item| already(item.item_id.clone())).collect();
            return outcome;
        }
        let cause = outcome.cause();
        let given = self.user.attempt(|user| {
            let grants = rule.grant.iter().map(|item| user.grant(item, Some(&cause)));
            grants.collect::<Result<Vec<_>, _>>()
        });
        match given {
            Ok(grants) => {
                for grant in grants {
                    outcome.granted.extend(grant.granted);
                    outcome.skipped.extend(grant.skipped);
                }
                // What gave nothing, say for a full stack, may give another time.
                if let (Some(key), false) = (once, outcome.granted.is_empty()) {
                    self.user.set::<RuleGrant>(key, true);
                }
            }
            Err(rejection) => outcome.refused = Some(rejection),
        }
        outcome
    }
}
