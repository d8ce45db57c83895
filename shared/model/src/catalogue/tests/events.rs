use super::*;

fn with(name: &str, part: Value) -> Value {
    let mut document = sample();
    document[name] = part;
    document
}

fn name(text: &str) -> EventName {
    EventName::parse(text).unwrap()
}

fn data(value: Value) -> Map<String, Value> {
    let Value::Object(data) = value else { panic!("no object: {value}") };
    data
}

fn rule(id: &str, on: &str) -> Value {
    json!({"id": id, "on": on, "grant": [{"itemId": "gold", "quantity": 50}]})
}

#[test]
fn events_and_rules_are_read_and_written_as_they_are() {
    let mut document = with("rules", json!([rule("z", "planet/completed"), rule("a", "futurepass/connected")]));
    document["rules"][0]["oncePer"] = json!("/planetId");
    document["events"] =
        json!({"quest/done": {"description": "A quest", "schema": {"type": "object"}}, "quest/begun": {}});
    document["items"]["potion"]["use"] = json!({"effects": [{"emit": "potion/drunk"}]});
    let catalogue = parse(&document.to_string()).unwrap();
    assert_eq!(serde_json::to_value(&catalogue).unwrap(), document);
    let names: Vec<_> = catalogue.events().into_iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(
        names,
        ["futurepass/connected", "planet/completed", "potion/drunk", "quest/begun", "quest/done"],
        "described, emitted, or waited for by a rule"
    );
    assert!(!catalogue.knows_event(&name("planet/begun")));
    let rules: Vec<_> = catalogue.rules_on(&name("planet/completed")).map(|rule| rule.id.as_str()).collect();
    assert_eq!(rules, ["z"]);
}

#[test]
fn every_fault_of_events_and_rules_is_listed_with_its_place() {
    let document = json!({
        "items": sample()["items"],
        "events": {"Quest": {}, "item/used": {}, "a/b": {"schema": {"type": 5}}, "c/d": {"schema": []}, "e/f": 1},
        "rules": [
            {"id": "A", "on": "planet", "oncePer": "x", "grant": []},
            rule("twice", "a/b"),
            {"id": "twice", "on": "item/rewarded", "grant": ["nothing", "gold", "gold"], "odd": 1},
            {},
        ],
    });
    let faults = faults_of(&document);
    let schema = "/events/a~1b/schema is no JSON Schema: ";
    assert!(faults.iter().any(|fault| fault.starts_with(schema)), "{faults:#?}");
    let others: Vec<_> = faults.iter().filter(|fault| !fault.starts_with(schema)).collect();
    assert_eq!(
        others,
        [
            "/events/Quest is not an event's name: it must be of the form domain/action, each 1 to 64 of a-z 0-9 _ . -",
            "/events/c~1d/schema must be an object, not an array",
            "/events/e~1f must be an object, not a number",
            "/events/item~1used item/used is an event of Satchel itself: choose a name of the game's own",
            "/rules/0/id must be of a-z 0-9 _ . - only",
            "/rules/0/on must be of the form domain/action, each 1 to 64 of a-z 0-9 _ . -",
            "/rules/0/oncePer must be a JSON Pointer (RFC 6901) of at most 200 bytes, e.g. /planetId",
            "/rules/0/grant must have 1 to 50 entries, not 0",
            "/rules/2/on item/rewarded is an event of Satchel itself: choose a name of the game's own",
            "/rules/2/grant/2 names gold a second time",
            "/rules/2/odd is not a known field",
            "/rules/3/id is required",
            "/rules/3/on is required",
            "/rules/3/grant is required",
            "/rules/2/grant/0 the catalogue has no item nothing",
        ]
    );
    assert_eq!(
        faults_of(&with("rules", json!([rule("same", "a/b"), rule("same", "a/c")]))),
        ["/rules/1/id names same a second time"]
    );
}

#[test]
fn a_use_that_leads_back_to_itself_by_a_rule_is_a_cycle() {
    let mut document = with("rules", json!([{"id": "again", "on": "chest/opened", "grant": ["welcome_chest"]}]));
    document["items"]["welcome_chest"]["use"] = json!({"effects": [{"emit": "chest/opened"}]});
    assert_eq!(
        faults_of(&document),
        ["/rules/0/grant/0 could grant without end: welcome_chest → chest/opened → welcome_chest"]
    );
}

#[test]
fn an_event_that_a_use_emits_is_one_that_could_be_sent() {
    let mut document = with("rules", json!([rule("sip", "potion/drunk")]));
    document["items"]["potion"]["use"] = json!({"effects": [{"grant": ["gold"]}, {"emit": "potion/drunk"}]});
    let faults = |document: &Value| faults_of_new(document).map(|faults| faults.to_string());
    let at = "/items/potion/use/effects/1/emit: tells of potion/drunk with itemId and quantity alone, and what is asked of it is: ";
    assert_eq!(faults(&document), None);
    for fits in ["/itemId", "/quantity"] {
        document["rules"][0]["oncePer"] = json!(fits);
        assert_eq!(faults(&document), None, "{fits}");
    }
    document["rules"][0]["oncePer"] = json!("/planetId");
    let why = "/planetId: must be a text, number or boolean of at most 256 bytes: the rule sip gives for it";
    assert_eq!(faults(&document), Some(format!("{at}{why}")));
    assert!(parse(&document.to_string()).is_ok(), "what was published before is in force");

    document["rules"] = json!([]);
    let schema = |required: &str| json!({"potion/drunk": {"schema": {"required": [required]}}});
    document["events"] = schema("itemId");
    assert_eq!(faults(&document), None);
    document["events"] = schema("planetId");
    assert_eq!(faults(&document), Some(format!("{at}\"planetId\" is a required property")));
    document["items"]["arrow"] = document["items"]["potion"].clone();
    let both = faults(&document).unwrap();
    assert!(both.starts_with("/items/arrow/") && both.contains("; /items/potion/"), "{both}");
    document["items"]["potion"]["use"]["effects"] = json!([]);
    document["items"]["arrow"]["use"] = json!({"effects": [{"emit": "arrow/shot"}]});
    assert_eq!(faults(&document), None, "the schema is of another event");
}

/// The faults of a document that is to be published.
fn faults_of_new(document: &Value) -> Option<Faults> {
    Catalogue::parse_new(Node::parse(document.to_string().as_bytes()).unwrap()).err()
}

#[test]
fn a_rule_waits_for_an_event_that_somebody_tells_of() {
    let mut document =
        with("rules", json!([rule("a", "planet/completed"), rule("b", "planet/complted"), rule("c", "x/y")]));
    document["events"] = json!({"planet/completed": {}});
    document["items"]["potion"]["use"] = json!({"effects": [{"emit": "x/y"}]});
    let faults = faults_of_new(&document).unwrap();
    assert_eq!(
        faults.to_string(),
        "/rules/1/on: no event planet/complted is declared in `events`, and no use emits it"
    );
    assert!(parse(&document.to_string()).is_ok(), "what was published before is in force");
    // Beside other faults, and though the item that emits has one itself.
    document["items"]["potion"]["name"] = json!("");
    let pointers = |faults: Faults| faults.as_slice().iter().map(|fault| fault.pointer.to_string()).collect::<Vec<_>>();
    assert_eq!(pointers(faults_of_new(&document).unwrap()), ["/items/potion/name", "/rules/1/on"]);
}

#[test]
fn what_a_rule_gives_for_once_is_required_by_the_schema() {
    let mut document = with("rules", json!([rule("star", "planet/completed")]));
    document["rules"][0]["oncePer"] = json!("/planetId");
    let mut faults = |schema: Value| {
        document["events"] = json!({"planet/completed": schema});
        faults_of_new(&document).map(|faults| faults.to_string())
    };
    let properties = json!({"planetId": {"type": "string"}, "planetID": {"type": "string"}});
    assert_eq!(faults(json!({})), None, "where there is no schema, the rule itself asks for it");
    let schema = json!({"type": "object", "required": ["planetId"], "properties": properties});
    assert_eq!(faults(json!({"schema": schema})), None);
    let fault = "/rules/0/oncePer: the schema of planet/completed does not require /planetId: name it in the schema's `required`";
    for required in [json!([]), json!(["planetID"])] {
        let schema = json!({"type": "object", "required": required, "properties": properties});
        assert_eq!(faults(json!({"schema": schema})), Some(fault.to_owned()));
    }
    assert!(parse(&document.to_string()).is_ok(), "what was published before is in force");
}

#[test]
fn formats_are_asserted() {
    let day = |format: &str| json!({"required": ["day"], "properties": {"day": {"type": "string", "format": format}}});
    let is_fine = |format: &str, value: &str| {
        let document = with("events", json!({"day/begun": {"schema": day(format)}}));
        let catalogue = parse(&document.to_string()).unwrap();
        catalogue.check_event(&name("day/begun"), &data(json!({"day": value})), &Pointer::root()).is_ok()
    };
    for (format, right, wrong) in [
        ("date", "2026-01-31", "whatever"),
        ("date", "2024-02-29", "2026-02-29"),
        ("date-time", "2026-01-31T12:00:00Z", "2026-01-31"),
        ("uuid", "0190a5e4-8c6e-7000-8000-000000000000", "0190a5e4"),
        ("email", "a@example.com", "a"),
    ] {
        assert!(is_fine(format, right) && !is_fine(format, wrong), "{format}: {right}, {wrong}");
    }
}

#[test]
fn an_event_is_checked_by_its_schema_and_by_what_its_rules_need() {
    let schema = json!({"type": "object", "required": ["planetId"],
                        "properties": {"planetId": {"type": "string", "pattern": "^[a-z]+$"}}});
    let mut document = with("rules", json!([rule("star", "planet/completed")]));
    document["rules"][0]["oncePer"] = json!("/medal");
    document["events"] = json!({"planet/completed": {"schema": schema}});
    let catalogue = parse(&document.to_string()).unwrap();
    let check = |value: Value| {
        let checked = catalogue.check_event(&name("planet/completed"), &data(value), &Pointer::root().field("data"));
        checked.err().map(|faults| faults.as_slice().iter().map(|fault| fault.pointer.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(check(json!({"planetId": "mars", "medal": 1, "more": [1]})), None);
    assert_eq!(check(json!({"planetId": "MARS", "medal": "gold"})), Some(vec!["/data/planetId".to_owned()]));
    assert_eq!(check(json!({"medal": {}})), Some(vec!["/data".to_owned(), "/data/medal".to_owned()]));
}

#[test]
fn comparing_tells_of_events_and_rules_and_of_their_order() {
    let catalogue = |document: &Value| parse(&document.to_string()).unwrap();
    let mut document = with("rules", json!([rule("a", "x/y"), rule("b", "x/y"), rule("c", "x/y")]));
    document["events"] = json!({"x/y": {}, "x/z": {}});
    let old = catalogue(&document);
    document["rules"] = json!([rule("d", "x/y"), rule("b", "x/z"), rule("a", "x/y")]);
    document["events"] = json!({"x/y": {"description": "Y"}, "x/w": {}});
    let new = catalogue(&document);
    assert_eq!(
        serde_json::to_value(Catalogue::compare(&old, &new)).unwrap(),
        json!({"added": [], "removed": [], "changed": [],
               "events": {"added": ["x/w"], "removed": ["x/z"], "changed": ["x/y"]},
               "rules": {"added": ["d"], "removed": ["c"], "changed": ["b"]}})
    );
    document["rules"].as_array_mut().unwrap().reverse();
    let reversed = Catalogue::compare(&new, &catalogue(&document));
    assert_eq!(reversed.rules.changed.len(), 3);
    assert!(Catalogue::compare(&new, &new).is_empty());
}

#[test]
fn schemas_refer_to_nothing_outside_and_are_bounded() {
    let with_schema = |schema: Value| faults_of(&with("events", json!({"a/b": {"schema": schema}}))).len();
    assert_eq!(
        with_schema(json!({"$defs": {"id": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/id"}}})),
        0
    );
    assert_eq!(with_schema(json!({"$ref": "https://example.org/schema.json"})), 1);
    assert_eq!(with_schema(json!({"$ref": "file:///etc/passwd"})), 1);
    assert_eq!(with_schema(json!({"pattern": "(a+)+$"})), 0, "matched in linear time");
    assert_eq!(with_schema(json!({"pattern": "(a)\\1"})), 1, "needs backtracking");
    assert_eq!(with_schema(json!({"pattern": "a{9999999}"})), 1);
    assert_eq!(with_schema(json!({"description": "x".repeat(16 * 1024)})), 1);
}
