use super::*;
use crate::catalogue::schema_cost::{MAX_DATA_LEVELS, SchemaCost};

fn cost(schema: &Value) -> Result<SchemaCost, String> {
    SchemaCost::of(schema)
}

fn refused(schema: &Value) -> String {
    cost(schema).expect_err(&schema.to_string())
}

fn data(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(data) => data,
        other => panic!("no object: {other}"),
    }
}

#[test]
fn what_multiplies_on_each_level_is_refused() {
    let itself = json!({"$ref": "#"});
    for doubling in [
        json!({"anyOf": [{"properties": {"a": itself}}, {"properties": {"a": itself}}]}),
        json!({"anyOf": [{"items": itself}, {"items": itself, "type": "array"}]}),
        json!({"patternProperties": {"a": itself, "b": itself}}),
        json!({"additionalProperties": {"oneOf": [itself, {"not": itself}]}}),
        json!({"items": {"$ref": "#/$defs/twice"}, "$defs": {"twice": {"allOf": [itself, itself]}}}),
        json!({"if": {"items": itself}, "then": {"items": itself}}),
        json!({"contains": itself, "items": itself}),
    ] {
        assert!(refused(&doubling).starts_with("could take too long to check"), "{doubling}");
    }
    // Without recursion as well: each definition names the next one twice.
    let mut definitions = Map::new();
    for step in 0..20 {
        let next = json!({"$ref": format!("#/$defs/{}", step + 1)});
        definitions.insert(step.to_string(), json!({"anyOf": [next, next]}));
    }
    definitions.insert("20".to_owned(), json!(true));
    let chain = json!({"$ref": "#/$defs/0", "$defs": definitions});
    assert!(refused(&chain).starts_with("could take too long to check"));
    let mut unevaluated = json!({"unevaluatedProperties": false});
    for _ in 0..30 {
        unevaluated = json!({"allOf": [unevaluated], "unevaluatedProperties": false});
    }
    assert!(refused(&unevaluated).starts_with("could take too long to check"));
}

#[test]
fn recursion_that_does_not_multiply_is_taken() {
    let itself = json!({"$ref": "#"});
    for tree in [
        json!({"type": "object", "properties": {"children": {"type": "array", "items": itself}}}),
        json!({"properties": {"left": itself, "right": itself, "key": {"type": "string", "pattern": "^[a-z]{1,32}$"}}}),
        json!({"anyOf": [{"type": "string"}, {"items": {"$ref": "#/anyOf/1"}}]}),
    ] {
        let flat = cost(&tree).unwrap().work(&data(json!({"key": "b"}))).unwrap();
        assert!(flat.listing < 200, "{flat:?} of {tree}");
    }
}

#[test]
fn references_that_cannot_be_followed_are_refused() {
    let endless = "refers to itself without going down into the data";
    assert_eq!(refused(&json!({"$ref": "#"})), endless);
    assert_eq!(refused(&json!({"properties": {"a": {"allOf": [{"$ref": "#/properties/a"}]}}})), endless);
    for odd in ["https://example.org/x", "#/nothing", "#anchor", "other.json#/a", "#/%ff"] {
        assert!(refused(&json!({"items": {"$ref": odd}})).starts_with(&format!("refers to {odd}")), "{odd}");
    }
    assert!(refused(&json!({"$dynamicRef": "#a"})).contains("$dynamicRef"));
    assert!(refused(&json!({"items": {"$id": "x", "$ref": "#/$defs/a"}})).contains("$id"));
    assert!(cost(&json!({"$id": "https://example.org/x", "properties": {"$id": {"$ref": "#/$defs/a%20b"}}, "$defs": {"a b": {}}})).is_ok());
}

#[test]
fn the_longest_chains_that_are_taken_compile_and_check_on_a_small_stack() {
    // A thread of tokio has 2 MiB.
    let small = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let checked = small.spawn(|| {
        let chain = |links: usize, link: &dyn Fn(Value) -> Value| {
            let mut definitions = Map::new();
            for step in 0..links {
                definitions.insert(step.to_string(), link(json!({"$ref": format!("#/$defs/{}", step + 1)})));
            }
            definitions.insert(links.to_string(), json!({"type": "string"}));
            json!({"$ref": "#/$defs/0", "$defs": definitions})
        };
        let down = |next: Value| json!({"items": next});
        let along = |next: Value| json!({"not": next});
        assert!(refused(&chain(200, &down)).contains("256"));
        assert!(refused(&chain(120, &along)).starts_with("could take too long to check"));
        let deep = (2..MAX_DATA_LEVELS).fold(json!([]), |inner, _| json!([inner]));
        let deep = data(json!({"a": deep}));
        for schema in [
            json!({"properties": {"a": {"$ref": "#/$defs/0"}}, "$defs": chain(120, &down)["$defs"]}),
            chain(60, &along),
        ] {
            let schema = DataSchema::compile(schema).unwrap();
            schema.check(&deep, &Pointer::root(), &mut Faults::default());
        }
    });
    checked.unwrap().join().unwrap();
}

#[test]
fn the_bound_grows_with_the_data_and_its_texts() {
    let work = |schema: Value, value: Value| cost(&schema).unwrap().work(&data(value)).map(|work| work.judging);
    let plain = || json!({"properties": {"a": {"type": "string"}}});
    let small = work(plain(), json!({"a": "b"}));
    assert_eq!(work(plain(), json!({"a": "b".repeat(1_000)})), small, "nobody reads the text");
    assert!(work(plain(), json!({"a": [1, 2, 3]})) > small);
    let pattern = json!({"properties": {"a": {"pattern": "^[a-z]{1,64}$"}}});
    assert!(work(pattern, json!({"a": "b".repeat(1_000)})) > small.map(|small| 100 * small));
    let deep = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"a": inner}));
    assert!(work(plain(), deep(MAX_DATA_LEVELS)).is_some());
    assert_eq!(work(plain(), deep(MAX_DATA_LEVELS + 1)), None);
}
