//! Jobs as clients write them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// A reward: `items` as in HTTP.md, e.g. `["key", {"itemId": "gold", "quantity": 5}]`.
pub fn reward(user_id: &str, items: Value) -> Value {
    let mut job = json!({"type": "reward_inventory_item", "userId": user_id});
    job["items"] = items;
    job
}

/// A reward of so many pieces of one item.
pub fn reward_pieces(user_id: &str, item_id: &str, quantity: i64) -> Value {
    reward(user_id, json!([{"itemId": item_id, "quantity": quantity}]))
}

/// A use.
pub fn use_item(user_id: &str, item_id: &str, quantity: i64) -> Value {
    json!({"type": "use_item", "userId": user_id, "itemId": item_id, "quantity": quantity})
}

/// The job with high priority.
pub fn high(mut job: Value) -> Value {
    job["priority"] = "high".into();
    job
}

/// The job, not to be applied before that time.
pub fn not_before(mut job: Value, time: DateTime<Utc>) -> Value {
    job["notBefore"] = time.to_rfc3339_opts(SecondsFormat::Micros, true).into();
    job
}

/// The catalogue that every test starts with: HTTP.md's items, and `arrow`, a stack without limit whose use
/// gives nothing.
pub fn test_catalogue() -> Value {
    json!({"items": {
        "welcome_chest": {"name": "Welcome chest", "grant": "once",
                          "use": {"effects": [{"grant": [{"itemId": "gold", "quantity": 120}]}]}},
        "key": {"name": "Key", "grant": "unique"},
        "gold": {"name": "Gold", "grant": "stack", "maxStack": 1_000_000, "overflow": "clamp"},
        "potion": {"name": "Potion", "grant": "stack", "maxStack": 99, "overflow": "reject", "use": {"consume": 1}},
        "arrow": {"name": "Arrow", "grant": "stack", "use": {"consume": 1}},
        "vault": {"name": "Vault", "grant": "unique",
                  "use": {"consume": 0, "requires": [{"itemId": "key", "quantity": 1, "consume": true}],
                          "effects": [{"grant": [{"itemId": "gold", "quantity": 500}]}]}},
    }})
}
