//! Random jobs over a random catalogue, checked against a model that is too simple to be wrong: counters
//! and a set of what was ever granted.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use satchel_forms::Node;
use serde_json::{Map, json};

use super::{Context, RewardInventoryItem, SendEvent, UseItem, Work};
use crate::catalogue::{Catalogue, Effect, GrantPolicy, Item, ItemQuantity, Overflow, Use};
use crate::decide::{ChanceKey, Draft, Inputs, Plan, Verdict};
use crate::facts::{Facts, Reads};
use crate::ids::{EventId, EventName, ItemId, JobId, Quantity, UserId};
use crate::rejection::{Rejection, RejectionCode};

/// A catalogue with every grant policy, uses that consume nothing, one, and more than one, and rules for events that are
/// sent and for one that a use emits.
const CATALOGUE: &str = r#"{"items":{
    "chest":  {"name":"Chest","grant":"once","use":{"effects":[{"grant":[{"itemId":"gold","quantity":40},"key"]}]}},
    "key":    {"name":"Key","grant":"unique"},
    "gold":   {"name":"Gold","grant":"stack","maxStack":100,"overflow":"clamp"},
    "potion": {"name":"Potion","grant":"stack","maxStack":9,"overflow":"reject","use":{"consume":2}},
    "dust":   {"name":"Dust","grant":"stack","use":{"requires":[{"itemId":"gold","quantity":10}],
               "effects":[{"grant":["potion"]}]}},
    "shop":   {"name":"Shop","grant":"stack","use":{"consume":0,"requires":[{"itemId":"gold","quantity":10,"consume":true}],
               "effects":[{"emit":"vault/opened"},{"grant":["chest"]},{"grant":["key"]}]}},
    "gamble": {"name":"Gamble","grant":"stack","use":{"allowSkipped":true,"effects":[{"grant":["key"]}]}},
    "mirror": {"name":"Mirror","grant":"unique","use":{"consume":0,"effects":[{"grant":["key"]}]}},
    "vault":  {"name":"Vault","grant":"unique","use":{"consume":0,
               "requires":[{"itemId":"key","quantity":1,"consume":true}],
               "effects":[{"emit":"vault/opened"},{"grant":[{"itemId":"gold","quantity":30}]}]}}
},"rules":[
    {"id":"each","on":"quest/done","grant":[{"itemId":"gold","quantity":7},{"itemId":"potion","quantity":3}]},
    {"id":"star","on":"quest/done","oncePer":"/star","grant":["dust"]},
    {"id":"purse","on":"quest/done","oncePer":"/star","grant":[{"itemId":"gold","quantity":50},"key"]},
    {"id":"open","on":"vault/opened","oncePer":"/quantity","grant":[{"itemId":"potion","quantity":2}]}
]}"#;

const ITEMS: [&str; 10] = ["chest", "key", "gold", "potion", "dust", "vault", "shop", "gamble", "mirror", "unheard_of"];

/// What a user has, as plainly as can be.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    held: BTreeMap<String, i64>,
    ever: BTreeSet<String>,
    /// Rules and the values for which they gave.
    once: BTreeSet<(String, String)>,
}

impl Model {
    fn count(&self, item: &str) -> i64 {
        self.held.get(item).copied().unwrap_or(0)
    }

    /// Grants so many pieces, or says why the whole job is refused.
    fn grant(&mut self, catalogue: &Catalogue, item: &ItemQuantity) -> Result<i64, RejectionCode> {
        let id = item.item_id.as_str();
        let definition = catalogue.get(&item.item_id).ok_or(RejectionCode::UnknownItem)?;
        let (held, wanted) = (self.count(id), item.quantity.get());
        let given = match definition.grant {
            GrantPolicy::Once if self.ever.contains(id) => 0,
            GrantPolicy::Unique if held > 0 => 0,
            GrantPolicy::Once | GrantPolicy::Unique => 1,
            GrantPolicy::Stack { max_stack: Some(limit), overflow: Overflow::Clamp } => {
                wanted.min((limit - held).max(0))
            }
            GrantPolicy::Stack { max_stack: Some(limit), .. } if held + wanted > limit => {
                return Err(RejectionCode::StackLimit);
            }
            GrantPolicy::Stack { .. } => wanted,
        };
        if given > 0 {
            *self.held.entry(id.into()).or_default() += given;
            self.ever.insert(id.into());
        }
        Ok(given)
    }

    /// Applies a job to a copy, so that a refusal leaves nothing behind.
    #[expect(clippy::match_wildcard_for_single_variants, reason = "one alone, until there are more operations")]
    fn apply(&self, catalogue: &Catalogue, work: &Work) -> Result<Self, RejectionCode> {
        let mut after = self.clone();
        match work {
            Work::RewardInventoryItem(job) => {
                for item in &job.fields.items {
                    after.grant(catalogue, item)?;
                }
            }
            Work::SendEvent(job) => {
                let star = job.fields.data.get("star").map(ToString::to_string);
                after.follow(catalogue, "each", None, &[("gold", 7), ("potion", 3)]);
                after.follow(catalogue, "star", star.clone(), &[("dust", 1)]);
                after.follow(catalogue, "purse", star, &[("gold", 50), ("key", 1)]);
            }
            Work::UseItem(job) => after.use_item(catalogue, &job.fields)?,
            // Others are not among the random jobs.
            _ => {}
        }
        Ok(after)
    }

    /// Gives what a rule gives: all of it or nothing, and once, if it gave anything, where there is a value for which.
    fn follow(&mut self, catalogue: &Catalogue, rule: &str, value: Option<String>, items: &[(&str, i64)]) {
        let key = value.map(|value| (rule.to_owned(), value));
        if key.as_ref().is_some_and(|key| self.once.contains(key)) {
            return;
        }
        let mut after = self.clone();
        let quantity = |pieces: i64| Quantity::parse(pieces).unwrap();
        let given = items.iter().try_fold(0, |given, (id, pieces)| {
            let item_id = ItemId::parse(id).unwrap();
            Ok::<_, RejectionCode>(
                given + after.grant(catalogue, &ItemQuantity { item_id, quantity: quantity(*pieces) })?,
            )
        });
        if given.is_ok_and(|given| given > 0) {
            after.once.extend(key);
            *self = after;
        }
    }

    fn use_item(&mut self, catalogue: &Catalogue, job: &UseItem) -> Result<(), RejectionCode> {
        let (id, times) = (job.item_id.as_str(), job.quantity.get());
        let item: &Item = catalogue.get(&job.item_id).ok_or(RejectionCode::UnknownItem)?;
        let definition: &Use = item.use_.as_ref().ok_or(RejectionCode::NotUsable)?;
        if self.count(id) < (definition.rules.consume.pieces * times).max(1) {
            return Err(RejectionCode::InsufficientQuantity);
        }
        *self.held.entry(id.into()).or_default() -= definition.rules.consume.pieces * times;
        for requirement in &definition.rules.requires.all {
            let other = requirement.item_id.as_str();
            let needed = requirement.quantity.get() * if requirement.consume { times } else { 1 };
            if self.count(other) < needed {
                return Err(RejectionCode::ConditionFailed);
            }
            if requirement.consume {
                *self.held.entry(other.into()).or_default() -= needed;
            }
        }
        let (mut given, mut first) = (0, None);
        for effect in &definition.effects {
            let items = match effect {
                Effect::Grant(items) => items,
                Effect::Emit(_) => {
                    self.follow(catalogue, "open", Some(times.to_string()), &[("potion", 2)]);
                    continue;
                }
            };
            for item in items {
                let quantity = Quantity::parse(item.quantity.get() * times).map_err(|_| RejectionCode::StackLimit)?;
                given += self.grant(catalogue, &ItemQuantity { item_id: item.item_id.clone(), quantity })?;
                let is_stack =
                    catalogue.get(&item.item_id).is_some_and(|item| matches!(item.grant, GrantPolicy::Stack { .. }));
                first =
                    first.or(Some(if is_stack { RejectionCode::StackLimit } else { RejectionCode::AlreadyGranted }));
            }
        }
        let costs =
            definition.rules.consume.pieces > 0 || definition.rules.requires.all.iter().any(|other| other.consume);
        match first {
            Some(code) if given == 0 && costs && !definition.allow_skipped => Err(code),
            _ => Ok(()),
        }
    }
}

fn quantity() -> impl Strategy<Value = Quantity> {
    prop_oneof![9 => 1_i64..=12, 1 => Just(Quantity::MAX)].prop_map(|pieces| Quantity::parse(pieces).unwrap())
}

fn item_id() -> impl Strategy<Value = ItemId> {
    prop::sample::select(&ITEMS[..]).prop_map(|id| ItemId::parse(id).unwrap())
}

fn work() -> impl Strategy<Value = Work> {
    let rewarded = prop::collection::btree_map(item_id(), quantity(), 1..4).prop_map(|items| {
        let items = items.into_iter().map(|(item_id, quantity)| ItemQuantity { item_id, quantity }).collect();
        Work::from(RewardInventoryItem { items })
    });
    let used = (item_id(), quantity()).prop_map(|(item_id, quantity)| Work::from(UseItem { item_id, quantity }));
    let sent = (0..4_u8).prop_map(|star| {
        let data = Map::from_iter([("star".to_owned(), json!(star))]);
        let name = EventName::parse("quest/done").unwrap();
        Work::from(SendEvent { event_id: EventId::parse("e").unwrap(), name, data, at: None })
    });
    prop_oneof![rewarded, used, sent]
}

/// What a job comes to on what its user has, given that everything is known that it asks for.
fn decide(job: &Work, user_id: &UserId, facts: &Facts, catalogue: &Catalogue) -> Result<Plan, Rejection> {
    let mut known = facts.clone();
    let mut reads = Reads::default();
    job.reads(&Context { user_id, catalogue, known: &|_| None }, &mut reads);
    assert!(!reads.is_open());
    reads.holdings.iter().filter(|(_, item_id)| !facts.holdings.is_known(item_id)).for_each(|(_, item_id)| {
        known.holdings.put(item_id.clone(), None);
    });
    for (_, key) in reads.rule_grants {
        let is_given = facts.rule_grants.get(&key).copied().unwrap_or_default();
        known.rule_grants.put(key, is_given);
    }
    decide_on(job, user_id, &known, catalogue)
}

fn decide_on(job: &Work, user_id: &UserId, facts: &Facts, catalogue: &Catalogue) -> Result<Plan, Rejection> {
    let (job_id, now, chance) =
        (JobId::from(uuid::Uuid::nil()), chrono::DateTime::UNIX_EPOCH, &ChanceKey::new([0; 32]));
    let inputs = Inputs { job_id, catalogue, now, chance };
    match job.decide(Draft::new(inputs, (user_id, facts), [])) {
        Verdict::Decided(decided) => decided,
        Verdict::Unread => panic!("{job:?} looked at what it did not ask for"),
    }
}

/// Takes over what a job does.
fn apply(facts: &mut Facts, plan: &Plan) {
    for change in &plan.user.changes {
        facts.holdings.change(&change.item_id, change.delta, change.balance);
    }
    if let Some(used) = &plan.user.used {
        facts.holdings.count_uses(&used.item_id, used.times);
    }
    facts.write(&plan.user.writes);
}

proptest! {
    #[test]
    fn any_sequence_of_jobs_does_what_the_model_does(jobs in prop::collection::vec(work(), 0..60)) {
        let catalogue = Catalogue::parse(Node::parse(CATALOGUE.as_bytes()).unwrap()).unwrap();
        let user_id = UserId::parse("u1").unwrap();
        let (mut facts, mut model) = (Facts::default(), Model::default());
        let mut ledger: BTreeMap<ItemId, i64> = BTreeMap::new();
        let mut chests_granted = 0;
        for job in &jobs {
            match (decide(job, &user_id, &facts, &catalogue), model.apply(&catalogue, job)) {
                (Ok(plan), Ok(after)) => {
                    for change in &plan.user.changes {
                        let sum = ledger.entry(change.item_id.clone()).or_default();
                        *sum += change.delta;
                        prop_assert!(change.delta != 0);
                        prop_assert_eq!(*sum, change.balance, "a balance is the sum up to it");
                        prop_assert!(change.balance >= 0);
                        chests_granted += i64::from(change.item_id.as_str() == "chest" && change.delta > 0);
                    }
                    apply(&mut facts, &plan);
                    model = after;
                }
                (Err(Rejection { code, .. }), Err(expected)) => prop_assert_eq!(code, expected),
                (plan, expected) => prop_assert!(false, "{:?}: {:?}, the model says {:?}", job, plan, expected),
            }
            for id in ITEMS {
                prop_assert_eq!(facts.holdings.get(&ItemId::parse(id).unwrap()).quantity, model.count(id));
            }
        }
        prop_assert!(chests_granted <= 1, "once is once");
        for (item_id, sum) in &ledger {
            prop_assert_eq!(facts.holdings.get(item_id).quantity, *sum, "a holding is the sum of its ledger");
        }
    }

    #[test]
    fn a_job_looks_only_at_what_it_asks_for(before in prop::collection::vec(work(), 0..20), job in work()) {
        let catalogue = Catalogue::parse(Node::parse(CATALOGUE.as_bytes()).unwrap()).unwrap();
        let user_id = UserId::parse("u1").unwrap();
        let mut all = Facts::default();
        for job in &before {
            if let Ok(plan) = decide(job, &user_id, &all, &catalogue) {
                apply(&mut all, &plan);
            }
        }
        let mut asked = Facts::default();
        let mut reads = Reads::default();
        job.reads(&Context { user_id: &user_id, catalogue: &catalogue, known: &|_| None }, &mut reads);
        for (_, item_id) in reads.holdings {
            let found = all.holdings.find(&item_id);
            asked.holdings.put(item_id, found);
        }
        for (_, key) in reads.rule_grants {
            let is_given = all.rule_grants.get(&key).copied().unwrap_or_default();
            asked.rule_grants.put(key, is_given);
        }
        let (with_all, with_asked) =
            (decide(&job, &user_id, &all, &catalogue), decide_on(&job, &user_id, &asked, &catalogue));
        prop_assert_eq!(with_all.is_ok(), with_asked.is_ok());
        if let (Ok(a), Ok(b)) = (with_all, with_asked) {
            prop_assert_eq!(a.user.changes, b.user.changes);
            prop_assert_eq!(a.user.writes, b.user.writes);
        }
    }
}
