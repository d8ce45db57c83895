mod cycles;
mod document;
mod events;
mod properties;
mod schema;
mod schema_cost;
mod uses;

use satchel_forms::Node;
use serde_json::{Value, json};

use super::*;

fn parse(document: &str) -> Result<Catalogue, Vec<String>> {
    let node = Node::parse(document.as_bytes()).unwrap();
    Catalogue::parse(node)
        .map_err(|faults| faults.as_slice().iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect())
}

fn faults_of(document: &Value) -> Vec<String> {
    parse(&document.to_string()).err().unwrap_or_default()
}

/// The faults of a document in which `x` is `item`, beside a few items to refer to.
fn faults_of_item(item: &Value) -> Vec<String> {
    faults_of(&json!({"items": {
        "x": item,
        "gold": {"name": "Gold", "grant": "stack"},
        "key": {"name": "Key", "grant": "unique"},
        "old": {"name": "Old", "grant": "once", "retired": true},
    }}))
}

/// As [`faults_of_item`], for an item with this `use`.
fn faults_of_use(use_: &Value) -> Vec<String> {
    faults_of_item(&json!({"name": "X", "grant": "stack", "use": use_}))
}

fn sample() -> Value {
    json!({"items": {
        "gold": {"name": "Gold", "grant": "stack", "maxStack": 1_000_000, "overflow": "clamp"},
        "key": {"name": "Key", "grant": "unique"},
        "potion": {"name": "Potion", "grant": "stack", "maxStack": 99, "overflow": "reject"},
        "vault": {"name": "Vault", "grant": "unique", "use": {
            "consume": 0,
            "requires": [{"itemId": "key", "quantity": 1, "consume": true}],
            "effects": [{"grant": [{"itemId": "gold", "quantity": 500}]}]}},
        "welcome_chest": {"name": "Welcome chest", "grant": "once", "use": {
            "effects": [{"grant": [{"itemId": "gold", "quantity": 120}]}]}},
    }})
}
