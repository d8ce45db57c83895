//! Properties over documents and catalogues that nobody thought of.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::Number;

use super::*;
use crate::catalogue::ItemQuantity;
use crate::ids::Quantity;

/// Any JSON, made largely of the names that the format knows, so that it gets deep into the reader.
fn any_json() -> impl Strategy<Value = Node> {
    let text = prop_oneof![
        3 => proptest::sample::select(vec![
            "items", "name", "grant", "once", "unique", "stack", "maxStack", "overflow", "clamp", "use", "consume",
            "requires", "itemId", "quantity", "effects", "roll", "emit", "retired", "events", "schema", "rules", "id", "on", "oncePer",
            "maxUses", "a", "b", "a/b",
        ])
        .prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Node::Null),
        any::<bool>().prop_map(Node::Bool),
        any::<i64>().prop_map(|number| Node::Number(number.into())),
        (-1..3i64).prop_map(|number| Node::Number(number.into())),
        any::<f64>().prop_map(|number| Number::from_f64(number).map_or(Node::Null, Node::Number)),
        text.clone().prop_map(Node::String),
    ];
    leaf.prop_recursive(8, 128, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Node::Array),
            vec((text.clone(), inner), 0..6).prop_map(Node::Object),
        ]
    })
}

/// `node` as the `depth`-th of: the document, its items, an item, its use, an effect, a granted entry.
fn placed(node: Node, depth: usize) -> Node {
    let object = |name: &str, node| Node::Object(vec![(name.to_owned(), node)]);
    let wraps: [&dyn Fn(Node) -> Node; 6] = [
        &|node| object("items", node),
        &|node| object("a", node),
        &|node| object("use", node),
        &|node| object("effects", Node::Array(vec![node])),
        &|node| object("grant", Node::Array(vec![node])),
        &|node| object("itemId", node),
    ];
    wraps[..depth].iter().rev().fold(node, |node, wrap| wrap(node))
}

fn quantity() -> impl Strategy<Value = Quantity> {
    (1..=Quantity::MAX).prop_map(|pieces| Quantity::parse(pieces).unwrap())
}

fn grant_policy() -> impl Strategy<Value = GrantPolicy> {
    let overflow = prop_oneof![Just(Overflow::Reject), Just(Overflow::Clamp)];
    prop_oneof![
        Just(GrantPolicy::Once),
        Just(GrantPolicy::Unique),
        (option::of(1..=GrantPolicy::MAX_STACK), overflow)
            .prop_map(|(max_stack, overflow)| GrantPolicy::Stack { max_stack, overflow }),
    ]
}

/// Items to choose from, by their place in order; each once.
type Choice<T> = BTreeMap<usize, T>;

/// What a generated use is made of.
type UseParts = (i64, Choice<(Quantity, bool)>, Vec<Choice<Quantity>>);

fn use_parts() -> impl Strategy<Value = UseParts> {
    let requires = btree_map(0..30usize, (quantity(), any::<bool>()), 0..4);
    let effects = vec(btree_map(0..30usize, quantity(), 1..5), 0..4);
    (0..=Quantity::MAX, requires, effects)
}

/// A catalogue whose items grant only later items, so that there is no cycle.
#[expect(clippy::needless_update, reason = "rules that are added have their defaults")]
fn catalogue() -> impl Strategy<Value = Catalogue> {
    let item = ("\\PC{1,100}", grant_policy(), option::of(use_parts()), proptest::bool::weighted(0.2));
    btree_map("[a-z0-9_-][a-z0-9_.-]{0,63}", item, 0..30).prop_map(|drafts| {
        let ids: Vec<ItemId> = drafts.keys().map(|id| ItemId::parse(id).unwrap()).collect();
        let retired: Vec<bool> = drafts.values().map(|draft| draft.3).collect();
        let items = drafts.into_values().enumerate().map(|(at, (name, grant, parts, retired_))| {
            let may_grant = |other: &usize| *other > at && *other < ids.len() && !retired[*other];
            let use_ = parts.map(|(consume, requires, effects)| Use {
                rules: UseRules {
                    consume: Consume { pieces: consume },
                    requires: Requires {
                        all: requires
                            .into_iter()
                            .filter(|(other, _)| *other != at && *other < ids.len())
                            .map(|(other, (quantity, consume))| {
                                let item_id = ids[other].clone();
                                Requirement { item_id, quantity, consume }
                            })
                            .collect(),
                    },
                    ..UseRules::default()
                },
                allow_skipped: consume % 2 == 1,
                effects: effects
                    .into_iter()
                    .map(|granted| -> Vec<ItemQuantity> {
                        granted
                            .into_iter()
                            .filter(|(other, _)| may_grant(other))
                            .map(|(other, quantity)| ItemQuantity { item_id: ids[other].clone(), quantity })
                            .collect()
                    })
                    .filter(|granted| !granted.is_empty())
                    .map(Effect::Grant)
                    .collect(),
            });
            (ids[at].clone(), Item { name, grant, use_, retired: retired_ })
        });
        Catalogue::new(items.collect(), BTreeMap::new(), Vec::new())
    })
}

proptest! {
    #[test]
    fn any_json_is_a_catalogue_or_a_list_of_faults(node in any_json(), depth in 0..=6usize) {
        if let Err(faults) = Catalogue::parse(placed(node, depth)) {
            prop_assert!(!faults.is_empty());
        }
    }

    #[test]
    fn a_catalogue_that_is_written_reads_as_the_same(catalogue in catalogue()) {
        let text = serde_json::to_vec(&catalogue).unwrap();
        let read = Catalogue::parse(Node::parse(&text).unwrap());
        prop_assert_eq!(read.as_ref(), Ok(&catalogue));
        prop_assert_eq!(serde_json::to_vec(&read.unwrap()).unwrap(), text);
    }

    #[test]
    fn a_grant_back_to_an_item_on_the_way_is_a_cycle(length in 1..40usize, back in 0..40usize) {
        let back = back % length;
        let id = |n: usize| format!("i{n:02}");
        let items = (0..length).map(|n| {
            let granted = if n + 1 == length { id(back) } else { id(n + 1) };
            (id(n), serde_json::json!({"name": "I", "grant": "stack", "use": {"effects": [{"grant": [granted]}]}}))
        });
        let document = serde_json::json!({"items": serde_json::Value::Object(items.collect())}).to_string();
        let faults = Catalogue::parse(Node::parse(document.as_bytes()).unwrap()).unwrap_err();
        prop_assert_eq!(faults.as_slice().len(), 1);
        let named = format!("could grant without end: {} → ", id(back));
        prop_assert!(faults.as_slice()[0].detail.starts_with(&named), "{}", faults);
    }
}
