//! What rules give for an event, on top of what its job takes and gives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Draft, Granted, Rejection, SkipReason, Skipped};
use crate::catalogue::Rule;
use crate::ids::{EventName, RuleId};

/// What came of one rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuleOutcome {
    /// The rule.
    pub rule: RuleId,
    /// What the user got.
    pub granted: Vec<Granted>,
    /// What it did not get, and why.
    pub skipped: Vec<Skipped>,
    /// Why it got nothing: the event happened all the same, and an event of its own tells of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Rejection>,
}

impl RuleOutcome {
    /// What the ledger and events name as the cause of what the rule gave.
    #[must_use]
    pub fn cause(&self) -> String {
        format!("rule:{}", self.rule)
    }
}

impl Draft<'_> {
    /// Gives what the catalogue's rules give for an event, each rule all of it or nothing.
    pub fn follow_rules(&mut self, event: &EventName, data: &Map<String, Value>) -> Vec<RuleOutcome> {
        let catalogue = self.catalogue();
        catalogue.rules_on(event).map(|rule| self.follow_rule(rule, data)).collect()
    }

    fn follow_rule(&mut self, rule: &Rule, data: &Map<String, Value>) -> RuleOutcome {
        let mut outcome =
            RuleOutcome { rule: rule.id.clone(), granted: Vec::new(), skipped: Vec::new(), refused: None };
        let once = match rule.once_key(data) {
            Ok(once) => once,
            Err(at) => {
                outcome.refused = Some(Rejection::invalid_event(format!("{} has no value to give for", at.as_str())));
                return outcome;
            }
        };
        if once.as_ref().is_some_and(|key| self.has_once(key)) {
            let already = |item_id| Skipped { item_id, quantity: None, reason: SkipReason::AlreadyGranted };
            outcome.skipped = rule.grant.iter().map(|item| already(item.item_id.clone())).collect();
            return outcome;
        }
        let cause = outcome.cause();
        let given = self.attempt(|draft| {
            let grants = rule.grant.iter().map(|item| draft.grant(item, Some(&cause)));
            grants.collect::<Result<Vec<_>, _>>()
        });
        match given {
            Ok(grants) => {
                for grant in grants {
                    outcome.granted.extend(grant.granted);
                    outcome.skipped.extend(grant.skipped);
                }
                // What gave nothing, say for a full stack, may give another time.
                if !outcome.granted.is_empty() {
                    self.note_once(once);
                }
            }
            Err(rejection) => outcome.refused = Some(rejection),
        }
        outcome
    }
}
