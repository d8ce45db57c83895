use super::*;

fn id(text: &str) -> ItemId {
    ItemId::parse(text).unwrap()
}

#[test]
fn the_sample_is_read_and_written_as_it_is() {
    let catalogue = parse(&sample().to_string()).unwrap();
    let vault = catalogue.get(&id("vault")).unwrap();
    assert_eq!(vault.grant, GrantPolicy::Unique);
    let use_ = vault.use_.as_ref().unwrap();
    assert_eq!((use_.rules.consume.pieces, use_.rules.requires.all[0].consume), (0, true));
    assert_eq!(serde_json::to_value(&catalogue).unwrap(), sample());
    assert_eq!(catalogue.get(&id("nothing")), None);
}

#[test]
fn what_is_left_out_has_its_default_and_is_left_out_again() {
    let catalogue = parse(
        r#"{"items":{"b":{"name":"B","grant":"stack","overflow":"reject","retired":false},
                     "a":{"retired":true,"grant":"once","name":"A",
                          "use":{"consume":1,"requires":[{"itemId":"b"}],"effects":[{"grant":["b"]}]}}}}"#,
    )
    .unwrap();
    assert_eq!(
        catalogue.get(&id("b")).unwrap().grant,
        GrantPolicy::Stack { max_stack: None, overflow: Overflow::Reject }
    );
    assert_eq!(
        serde_json::to_string(&catalogue).unwrap(),
        concat!(
            r#"{"items":{"a":{"name":"A","grant":"once","use":{"requires":[{"itemId":"b","quantity":1}],"#,
            r#""effects":[{"grant":[{"itemId":"b","quantity":1}]}]},"retired":true},"#,
            r#""b":{"name":"B","grant":"stack"}}}"#
        )
    );
}

#[test]
fn a_catalogue_without_items_is_a_catalogue() {
    assert_eq!(parse(r#"{"items":{}}"#).unwrap(), Catalogue::default());
}

#[test]
fn every_fault_of_a_document_is_listed_with_its_place() {
    let faults = parse(
        r#"{"items":{"a":{"name":"","grant":"often","x":1},
                     "B":{"name":7,"grant":"once","use":{"effects":[{"grant":["nothing"]}]}},
                     "a":{"name":"A","grant":"once"}},
            "extra":[]}"#,
    )
    .unwrap_err();
    assert_eq!(
        faults,
        [
            "/items/a/name must be 1 to 100 characters, not 0",
            "/items/a/grant must be `once`, `unique` or `stack`",
            "/items/a/x is not a known field",
            "/items/B is not an item id: it must be of a-z 0-9 _ . - only",
            "/items/B/name must be a string, not a number",
            "/items/a is given twice",
            "/extra is not a known field",
            "/items/B/use/effects/0/grant/0 the catalogue has no item nothing",
        ]
    );
}

#[test]
fn a_document_or_its_items_of_another_type_is_one_fault() {
    assert_eq!(parse("[]").unwrap_err(), [" must be an object, not an array"]);
    assert_eq!(parse("{}").unwrap_err(), ["/items is required"]);
    assert_eq!(parse(r#"{"items":[]}"#).unwrap_err(), ["/items must be an object, not an array"]);
    assert_eq!(faults_of_item(&json!(null)), ["/items/x must be an object, not null"]);
    assert_eq!(faults_of_item(&json!({})), ["/items/x/name is required", "/items/x/grant is required"]);
}

#[test]
fn a_field_given_twice_is_refused_at_every_level() {
    let faults = parse(
        r#"{"items":{"x":{"name":"X","name":"Y","grant":"stack",
                          "use":{"consume":0,"consume":1,"effects":[{"grant":[{"itemId":"gold","itemId":"x"}]}]}},
                     "gold":{"name":"Gold","grant":"stack"}},"items":{}}"#,
    );
    assert_eq!(
        faults.unwrap_err(),
        [
            "/items is given twice",
            "/items/x/name is given twice",
            "/items/x/use/consume is given twice",
            "/items/x/use/effects/0/grant/0/itemId is given twice",
        ]
    );
}

#[test]
fn a_name_is_1_to_100_characters_without_control_characters() {
    let named = |name: &str| faults_of_item(&json!({"name": name, "grant": "once"}));
    assert!(named(&"é".repeat(100)).is_empty());
    assert_eq!(named(&"é".repeat(101)), ["/items/x/name must be 1 to 100 characters, not 101"]);
    assert_eq!(named("a\nb"), ["/items/x/name must have no control characters"]);
    assert_eq!(named("a\0"), ["/items/x/name must have no control characters"]);
}

#[test]
fn max_stack_is_within_what_json_clients_read_exactly() {
    let bounded = |max: Value| faults_of_item(&json!({"name": "X", "grant": "stack", "maxStack": max}));
    assert!(bounded(json!(1)).is_empty());
    assert!(bounded(json!(GrantPolicy::MAX_STACK)).is_empty());
    for odd in [json!(0), json!(-1), json!(GrantPolicy::MAX_STACK + 1), json!(u64::MAX)] {
        assert_eq!(bounded(odd), ["/items/x/maxStack must be an integer from 1 to 9007199254740991"]);
    }
    assert_eq!(bounded(json!(1.5)), ["/items/x/maxStack must be an integer, not 1.5"]);
    assert_eq!(bounded(json!("1")), ["/items/x/maxStack must be an integer, not a string"]);
    assert_eq!(bounded(json!(null)), ["/items/x/maxStack must be an integer, not null"]);
}

#[test]
fn max_stack_and_overflow_go_only_with_stacks() {
    for grant in ["once", "unique"] {
        assert_eq!(
            faults_of_item(&json!({"name": "X", "grant": grant, "maxStack": 1, "overflow": "clamp"})),
            [
                "/items/x/maxStack goes only with the grant policy `stack`",
                "/items/x/overflow goes only with the grant policy `stack`",
            ]
        );
    }
    assert_eq!(
        faults_of_item(&json!({"name": "X", "grant": "stack", "overflow": "Clamp"})),
        ["/items/x/overflow must be `reject` or `clamp`"]
    );
}

#[test]
fn a_catalogue_has_at_most_10_000_items() {
    let items = |count: usize| -> Value {
        let items = (0..count).map(|n| (format!("i{n}"), json!({"name": "I", "grant": "once"})));
        json!({"items": Value::Object(items.collect())})
    };
    assert!(faults_of(&items(10_000)).is_empty());
    assert_eq!(faults_of(&items(10_001)), ["/items must have at most 10000 items, not 10001"]);
}

#[test]
fn comparing_lists_what_was_added_removed_and_changed_in_order() {
    let old = parse(&sample().to_string()).unwrap();
    assert!(Catalogue::compare(&old, &old).is_empty());
    let mut document = sample();
    let items = document["items"].as_object_mut().unwrap();
    items.remove("welcome_chest");
    items.insert("zinc".into(), json!({"name": "Zinc", "grant": "stack"}));
    items.insert("apple".into(), json!({"name": "Apple", "grant": "stack"}));
    items["vault"]["use"]["consume"] = json!(1);
    items["gold"]["retired"] = json!(false);
    items["key"]["retired"] = json!(true);
    let new = parse(&document.to_string()).unwrap();
    assert_eq!(
        serde_json::to_value(Catalogue::compare(&old, &new)).unwrap(),
        json!({"added": ["apple", "zinc"], "removed": ["welcome_chest"], "changed": ["key", "vault"]})
    );
}
