//! What a new catalogue lets users hold fewer of than the one before: allowed, and a surprise to who holds more.

use satchel_forms::Pointer;

use super::{Catalogue, GrantPolicy};
use crate::facts::MAX_BALANCE;
use crate::ids::ItemId;

/// An item of which a user may be granted fewer pieces than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tightened {
    /// The item.
    pub item_id: ItemId,
    /// How many a user may be brought to have now.
    pub most: i64,
    /// Where the new document says so.
    pub at: Pointer,
}

impl Catalogue {
    /// The items of which `new` lets users have fewer than `old` did, in order.
    #[must_use]
    pub fn tightened(old: &Self, new: &Self) -> Vec<Tightened> {
        let mut tightened: Vec<_> = new
            .iter()
            .filter_map(|(item_id, item)| {
                let before = old.get(item_id)?;
                let at = Pointer::root().field("items").field(item_id.as_str()).field(item.grant.limiting_field());
                let most = item.grant.most_held();
                (most < before.grant.most_held()).then(|| Tightened { item_id: item_id.clone(), most, at })
            })
            .collect();
        tightened.sort_unstable_by(|one, other| one.item_id.cmp(&other.item_id));
        tightened
    }
}

impl GrantPolicy {
    /// The most pieces that grants can bring a user to have.
    fn most_held(self) -> i64 {
        match self {
            Self::Once | Self::Unique => 1,
            Self::Stack { max_stack, .. } => max_stack.unwrap_or(MAX_BALANCE),
        }
    }

    /// The field that says so.
    fn limiting_field(self) -> &'static str {
        match self {
            Self::Once | Self::Unique => "grant",
            Self::Stack { .. } => "maxStack",
        }
    }
}

#[cfg(test)]
mod tests {
    use satchel_forms::Node;
    use serde_json::{Value, json};

    use super::*;

    fn catalogue(items: &Value) -> Catalogue {
        Catalogue::parse(Node::parse(json!({"items": items}).to_string().as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn an_item_is_tightened_where_fewer_may_be_had_than_before() {
        let stack = |most: i64| json!({"name": "S", "grant": "stack", "maxStack": most});
        let (free, unique) = (json!({"name": "S", "grant": "stack"}), json!({"name": "U", "grant": "unique"}));
        let old = catalogue(&json!({"a": free, "b": stack(9), "c": stack(9), "d": free, "e": unique, "f": stack(1)}));
        let new = catalogue(
            &json!({"a": stack(5), "b": stack(8), "c": stack(10), "d": unique, "e": free, "f": unique, "g": unique}),
        );
        let found: Vec<_> =
            Catalogue::tightened(&old, &new).into_iter().map(|it| (it.at.to_string(), it.most)).collect();
        let expected = [("/items/a/maxStack", 5), ("/items/b/maxStack", 8), ("/items/d/grant", 1)];
        assert_eq!(found, expected.map(|(at, most)| (at.to_owned(), most)));
        assert!(Catalogue::tightened(&new, &new).is_empty());
    }
}
