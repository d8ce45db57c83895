use super::*;

#[test]
fn consume_is_0_to_the_most_that_one_job_moves() {
    assert!(faults_of_use(&json!({"consume": 0})).is_empty());
    assert!(faults_of_use(&json!({"consume": 1_000_000_000})).is_empty());
    for odd in [-1, 1_000_000_001] {
        let faults = faults_of_use(&json!({"consume": odd}));
        assert_eq!(faults, ["/items/x/use/consume must be an integer from 0 to 1000000000"]);
    }
}

#[test]
fn requirements_have_known_other_items_each_once() {
    assert!(faults_of_use(&json!({"requires": [{"itemId": "old"}, {"itemId": "key", "consume": true}]})).is_empty());
    assert_eq!(
        faults_of_use(&json!({"requires": [
            {"itemId": "key"},
            {"itemId": "key", "quantity": 2},
            {"itemId": "x"},
            {"itemId": "nothing", "quantity": 0, "consume": "yes"},
            {"itemId": "No Id", "odd": 1},
            "key",
        ]})),
        [
            "/items/x/use/requires/1/itemId names key a second time",
            "/items/x/use/requires/2/itemId is the used item itself: how many of it a use takes is its `consume`",
            "/items/x/use/requires/3/quantity must be an integer from 1 to 1000000000",
            "/items/x/use/requires/3/consume must be true or false, not a string",
            "/items/x/use/requires/4/itemId must be of a-z 0-9 _ . - only",
            "/items/x/use/requires/4/odd is not a known field",
            "/items/x/use/requires/5 must be an object, not a string",
            "/items/x/use/requires/3/itemId the catalogue has no item nothing",
        ]
    );
}

#[test]
fn granted_items_are_known_not_retired_and_each_once_in_a_list() {
    assert!(faults_of_use(&json!({"effects": [{"grant": ["gold"]}, {"grant": ["gold", "key"]}]})).is_empty());
    assert_eq!(
        faults_of_use(&json!({"effects": [{"grant": [
            "gold",
            {"itemId": "gold", "quantity": 2},
            "old",
            {"itemId": "nothing"},
            {"quantity": 1_000_000_001},
            3,
        ]}]})),
        [
            "/items/x/use/effects/0/grant/1/itemId names gold a second time",
            "/items/x/use/effects/0/grant/4/itemId is required",
            "/items/x/use/effects/0/grant/4/quantity must be an integer from 1 to 1000000000",
            "/items/x/use/effects/0/grant/5 must be an item id or an object, not a number",
            "/items/x/use/effects/0/grant/2 old is retired and can no longer be granted",
            "/items/x/use/effects/0/grant/3/itemId the catalogue has no item nothing",
        ]
    );
}

#[test]
fn a_retired_item_is_known_to_be_so_even_if_it_has_a_fault() {
    let document = json!({"items": {
        "a": {"name": "A", "grant": "once", "use": {"effects": [{"grant": ["b"]}]}},
        "b": {"name": "", "grant": "once", "retired": true},
    }});
    assert_eq!(
        faults_of(&document),
        [
            "/items/b/name must be 1 to 100 characters, not 0",
            "/items/a/use/effects/0/grant/0 b is retired and can no longer be granted",
        ]
    );
}

#[test]
fn lists_are_bounded() {
    let ids: Vec<_> = (0..51).map(|n| format!("i{n}")).collect();
    let requires: Vec<_> = ids.iter().take(21).map(|id| json!({"itemId": id})).collect();
    assert_eq!(
        faults_of_use(&json!({"requires": requires})),
        ["/items/x/use/requires must have 0 to 20 entries, not 21"]
    );
    let effects = vec![json!({"grant": ["gold"]}); 21];
    assert_eq!(faults_of_use(&json!({"effects": effects})), ["/items/x/use/effects must have 0 to 20 entries, not 21"]);
    assert!(faults_of_use(&json!({"effects": effects[..20]})).is_empty());
    for grant in [&ids[..0], &ids[..]] {
        assert_eq!(
            faults_of_use(&json!({"effects": [{"grant": grant}]})),
            [format!("/items/x/use/effects/0/grant must have 1 to 50 entries, not {}", grant.len())]
        );
    }
}

#[test]
fn parts_that_later_versions_bring_are_refused_as_such() {
    let mut document = sample();
    document["lootTables"] = json!({});
    assert_eq!(faults_of(&document), ["/lootTables is not supported by this version of Satchel yet"]);
    for name in ["cooldownSeconds", "availableFrom", "availableUntil", "maxUses", "maxUsesPerDay"] {
        assert_eq!(
            faults_of_use(&json!({name: 1})),
            [format!("/items/x/use/{name} is not supported by this version of Satchel yet")]
        );
    }
    assert_eq!(
        faults_of_use(
            &json!({"effects": [{"roll": "loot"}, {"emit": "a/b"}, {}, {"odd": 1}, {"emit": "a/b", "grant": ["gold"]}]})
        ),
        [
            "/items/x/use/effects/0/roll is not supported by this version of Satchel yet",
            "/items/x/use/effects/2/grant is required",
            "/items/x/use/effects/3/grant is required",
            "/items/x/use/effects/3/odd is not a known field",
            "/items/x/use/effects/4/emit stands beside `grant`: each effect does one thing",
        ]
    );
    // Elsewhere these names are as unknown as any.
    assert_eq!(
        faults_of_item(&json!({"name": "X", "grant": "once", "maxUses": 1})),
        ["/items/x/maxUses is not a known field"]
    );
}

#[test]
fn a_use_may_say_that_it_may_give_nothing() {
    assert!(faults_of_use(&json!({"effects": [{"grant": ["gold"]}], "allowSkipped": true})).is_empty());
    assert_eq!(
        faults_of_use(&json!({"allowSkipped": 1})),
        ["/items/x/use/allowSkipped must be true or false, not a number"]
    );
}
