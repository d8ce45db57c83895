use super::*;

/// A document of usable items, each granting one piece of each of the others named.
fn granting(items: &[(&str, &[&str])]) -> Value {
    let items = items.iter().map(|(id, granted)| {
        ((*id).to_owned(), json!({"name": "N", "grant": "stack", "use": {"effects": [{"grant": granted}]}}))
    });
    json!({"items": Value::Object(items.collect())})
}

#[test]
fn an_item_whose_use_grants_itself_is_refused() {
    assert_eq!(
        faults_of(&granting(&[("chest", &["chest"])])),
        ["/items/chest/use/effects/0/grant/0 could grant without end: chest → chest"]
    );
}

#[test]
fn each_cycle_of_grants_is_named_at_the_grant_that_closes_it() {
    let document = granting(&[("a", &["b"]), ("b", &["c", "a"]), ("c", &["b"]), ("d", &["a"])]);
    assert_eq!(
        faults_of(&document),
        [
            "/items/c/use/effects/0/grant/0 could grant without end: b → c → b",
            "/items/b/use/effects/0/grant/1 could grant without end: a → b → a",
        ]
    );
}

#[test]
fn items_that_lead_to_one_item_by_two_ways_are_no_cycle() {
    let mut document = granting(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d", "b"])]);
    document["items"]["d"] = json!({"name": "D", "grant": "stack"});
    assert!(faults_of(&document).is_empty());
}

#[test]
fn a_requirement_closes_no_cycle() {
    let document = json!({"items": {
        "a": {"name": "A", "grant": "once", "use": {"effects": [{"grant": ["b"]}]}},
        "b": {"name": "B", "grant": "once", "use": {"requires": [{"itemId": "a"}]}},
    }});
    assert!(faults_of(&document).is_empty());
}

#[test]
fn the_longest_possible_cycle_is_found_and_named_in_short() {
    let ids: Vec<_> = (0..Catalogue::MAX_ITEMS).map(|n| format!("i{n:04}")).collect();
    let granted: Vec<[&str; 1]> = (1..=ids.len()).map(|n| [ids[n % ids.len()].as_str()]).collect();
    let items: Vec<(&str, &[&str])> =
        ids.iter().map(String::as_str).zip(granted.iter().map(<[_; 1]>::as_slice)).collect();
    let faults = faults_of(&granting(&items));
    assert_eq!(faults.len(), 1);
    assert!(faults[0].starts_with("/items/i9999/use/effects/0/grant/0 could grant without end: i0000 → i0001 → "));
    assert!(faults[0].ends_with("i0011 → … → i0000"), "{}", faults[0]);
}
