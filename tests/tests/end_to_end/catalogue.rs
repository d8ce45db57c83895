//! Publishing and reading what items there are.

use reqwest::Method;
use satchel_testkit::job::{reward, reward_pieces, test_catalogue, use_item};
use satchel_testkit::{Answer, Satchel, scratch_dir};
use satchel_tests::invariants;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/catalogue";

async fn put(satchel: &Satchel, query: &str, if_match: Option<&str>, document: &Value) -> Answer {
    let operator = satchel.operator();
    let mut request = operator.request(Method::PUT, &format!("{PATH}{query}")).json(document);
    if let Some(tag) = if_match {
        request = request.header("If-Match", tag);
    }
    operator.send(request).await
}

async fn tag(satchel: &Satchel) -> String {
    satchel.operator().get(PATH).await.expect(200).header("ETag").to_owned()
}

fn with_item(id: &str, definition: Value) -> Value {
    let mut catalogue = test_catalogue();
    catalogue["items"][id] = definition;
    catalogue
}

/// A catalogue that declares `quest/done`, with a rule.
fn with_rule(mut rule: Value) -> Value {
    let mut catalogue = test_catalogue();
    catalogue["events"] = json!({"quest/done": {"schema": {"type": "object", "required": ["quest"]}}});
    rule["id"] = json!("r");
    rule["grant"] = json!(["gold"]);
    catalogue["rules"] = json!([rule]);
    catalogue
}

#[tokio::test]
async fn who_holds_more_than_a_new_catalogue_would_give_is_warned_of() {
    let satchel = Satchel::start().await;
    for (user, arrows, potions) in [("u1", 3, 50), ("u2", 1, 9), ("u3", 5, 10)] {
        satchel.game().submit_and_wait(&reward_pieces(user, "arrow", arrows)).await.expect(200);
        satchel.game().submit_and_wait(&reward_pieces(user, "potion", potions)).await.expect(200);
    }
    let mut next = test_catalogue();
    next["items"]["arrow"] = json!({"name": "Arrow", "grant": "unique"});
    next["items"]["potion"]["maxStack"] = json!(20);
    next["items"]["gold"]["maxStack"] = json!(1);
    let warnings = json!([
        {"pointer": "/items/arrow/grant", "detail": "at least 2 users hold more than 1 of arrow: they keep what they have"},
        {"pointer": "/items/potion/maxStack", "detail": "at least 1 user holds more than 20 of potion: they keep what they have"},
    ]);
    // The look is short: on a busy machine it may end before it has found anybody.
    satchel_testkit::wait::until("they are found in time", || async {
        let answer = put(&satchel, "?dryRun=true", None, &next).await.expect(200).json();
        (answer["warnings"] == warnings).then_some(())
    })
    .await;
    let published = put(&satchel, "", None, &next).await.expect(200).json();
    assert!(published["warnings"].is_array(), "{published}");
    assert_eq!(put(&satchel, "", None, &next).await.expect(200).json()["warnings"], json!([]), "nothing changes");
    assert_eq!(put(&satchel, "", None, &test_catalogue()).await.expect(200).json()["warnings"], json!([]));
    let file = scratch_dir("warnings").join("catalogue.json");
    std::fs::write(&file, next.to_string()).unwrap();
    satchel_testkit::wait::until("the tool says so, too", || async {
        let said = satchel.tool(&["catalogue", "publish", "--dry-run", file.to_str().unwrap()]);
        said.contains("warning: /items/arrow/grant: at least 2 users").then_some(())
    })
    .await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 3), ("potion".to_owned(), 50)]);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_published_catalogue_can_be_read_whole_and_by_item() {
    let satchel = Satchel::start().await;
    let current = satchel.anyone().with(&satchel_testkit::token::token("player", "u1", "")).get(PATH).await.expect(200);
    assert_eq!(current.json()["version"], 1);
    assert!(current.text.contains("Welcome chest"), "{}", current.text);
    let item = satchel.player("u1").get("/api/v1/items/gold").await.expect(200).json();
    assert!(item.to_string().contains("1000000"), "{item}");
    satchel.player("u1").get("/api/v1/items/no_such_item").await.problem(404);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn what_is_answered_can_be_published_again_and_changes_nothing() {
    let satchel = Satchel::start().await;
    let mut whole = test_catalogue();
    whole["items"]["potion"]["use"] = json!({"effects": [{"emit": "potion/drunk"}]});
    whole["events"] =
        json!({"quest/done": {"description": "A quest is done", "schema": {"type": "object", "required": ["quest"]}}});
    whole["rules"] = json!([{"id": "star", "on": "quest/done", "oncePer": "/quest", "grant": ["arrow"]}]);
    satchel.publish(&whole).await;
    let answered = satchel.operator().get(PATH).await.expect(200).json();
    assert_eq!(answered["version"], 2);
    assert!(answered["publishedAt"].is_string() && answered["publishedBy"].is_string(), "{answered}");
    let published = put(&satchel, "", None, &answered).await.expect(200).json();
    assert_eq!(published["version"], 2, "{published}");
    assert_eq!(published["changes"], json!({"added": [], "removed": [], "changed": []}));

    // So it is with the sample, and an edited answer is the next version, without what was told beside it.
    let sample = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../catalogue/sample.json")).unwrap();
    let satchel = Satchel::start().await;
    put(&satchel, "", None, &serde_json::from_slice(&sample).unwrap()).await.expect(200);
    let mut answered = satchel.operator().get(PATH).await.expect(200).json();
    assert_eq!(put(&satchel, "", None, &answered).await.expect(200).json()["version"], answered["version"]);
    answered["items"]["gold"]["name"] = json!("Gold coins");
    let published = put(&satchel, "", None, &answered).await.expect(200).json();
    assert_eq!(published["changes"]["changed"], json!(["gold"]), "{published}");
    let stored = satchel.database.owner.run("SELECT document FROM catalogue_versions ORDER BY version DESC LIMIT 1");
    assert!(stored.contains("Gold coins") && !stored.contains("publishedBy"), "{stored}");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_catalogue_is_published_only_where_there_is_none_if_that_is_asked_for() {
    let satchel = Satchel::start().await;
    let operator = satchel.operator();
    let put_if_none = async |tags: &str| {
        let request = operator.request(Method::PUT, PATH).header("If-None-Match", tags);
        operator.send(request.json(&with_item("sword", json!({"name": "Sword", "grant": "unique"})))).await
    };
    put_if_none("*").await.problem(412);
    put_if_none(&tag(&satchel).await).await.problem(412);
    assert_eq!(operator.get(PATH).await.json()["version"], 1);
    put_if_none("\"999\"").await.expect(200);
    // As before the first one: rows of the catalogue are removed by nobody but a test.
    satchel.database.owner.run(
        "ALTER TABLE items DISABLE TRIGGER ALL; ALTER TABLE catalogue_versions DISABLE TRIGGER ALL;
         DELETE FROM items; DELETE FROM catalogue_versions;
         ALTER TABLE items ENABLE TRIGGER ALL; ALTER TABLE catalogue_versions ENABLE TRIGGER ALL;",
    );
    assert_eq!(put_if_none("*").await.expect(200).json()["version"], 1);
    put_if_none("*").await.problem(412);
}

#[tokio::test]
async fn a_new_version_counts_for_the_next_job_and_old_entries_keep_theirs() {
    let satchel = Satchel::start().await;
    let sword = reward("u1", json!(["sword"]));
    let before = satchel.game().submit_and_wait(&sword).await.expect(200).json();
    assert_eq!(before["result"]["code"], "unknown_item");

    let current = tag(&satchel).await;
    let next = with_item("sword", json!({"name": "Sword", "grant": "unique"}));
    let published = put(&satchel, "", Some(&current), &next).await.expect(200).json();
    assert_eq!(published["version"], 2, "{published}");
    assert!(published.to_string().contains("sword"), "the answer says what changed: {published}");

    // A worker may take a moment to see the new version, but no job after that sees the old one.
    satchel_testkit::wait::until("the new item is granted", || async {
        let job = satchel.game().submit_and_wait(&sword).await.expect(200).json();
        (job["status"] == "applied").then_some(())
    })
    .await;
    assert_eq!(satchel.history("u1", "").await[0]["catalogueVersion"], 2);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn only_who_knows_the_current_version_replaces_it() {
    let satchel = Satchel::start().await;
    let first = tag(&satchel).await;
    let next = with_item("sword", json!({"name": "Sword", "grant": "unique"}));
    put(&satchel, "", Some("\"999\""), &next).await.problem(412);
    put(&satchel, "", Some(&first), &next).await.expect(200);
    put(&satchel, "", Some(&first), &test_catalogue()).await.problem(412);
    assert_eq!(satchel.operator().get(PATH).await.json()["version"], 2);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let satchel = Satchel::start().await;
    let current = tag(&satchel).await;
    let next = with_item("sword", json!({"name": "Sword", "grant": "unique"}));
    let answer = put(&satchel, "?dryRun=true", Some(&current), &next).await.expect(200);
    assert!(answer.text.contains("sword"), "{}", answer.text);
    assert_eq!(tag(&satchel).await, current);
    let wrong = with_item("sword", json!({"name": "Sword", "grant": "twice"}));
    let pointers = put(&satchel, "?dryRun=true", Some(&current), &wrong).await.pointers();
    assert_eq!(pointers, ["/items/sword/grant"]);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn every_fault_of_a_catalogue_is_listed_with_its_place() {
    let satchel = Satchel::start().await;
    let current = tag(&satchel).await;
    let grants = |items: Value| json!({"name": "X", "grant": "stack", "use": {"effects": [{"grant": items}]}});
    let cases = [
        (with_item("Bad Id", json!({"name": "X", "grant": "once"})), "/items/Bad Id"),
        (with_item("x", json!({"grant": "once"})), "/items/x/name"),
        (with_item("x", json!({"name": "X", "grant": "once", "colour": 1})), "/items/x/colour"),
        (with_item("x", json!({"name": "X", "grant": "stack", "maxStack": 0})), "/items/x/maxStack"),
        (with_item("x", json!({"name": "X", "grant": "stack", "overflow": "burst"})), "/items/x/overflow"),
        (with_item("x", grants(json!([{"itemId": "nothing", "quantity": 1}]))), "/items/x/use/effects/0/grant/0"),
        (with_item("x", grants(json!([{"itemId": "gold", "quantity": 0}]))), "/items/x/use/effects/0/grant/0/quantity"),
        (with_item("x", json!({"name": "X", "grant": "once", "use": {"consume": -1}})), "/items/x/use/consume"),
        (
            with_item("x", json!({"name": "X", "grant": "once", "use": {"cooldownSeconds": 5}})),
            "/items/x/use/cooldownSeconds",
        ),
        (
            with_item("x", json!({"name": "X", "grant": "once", "use": {"effects": [{"roll": "t"}]}})),
            "/items/x/use/effects/0/roll",
        ),
        (
            with_item("x", json!({"name": "X", "grant": "once", "use": {"effects": [{"emit": "item/used"}]}})),
            "/items/x/use/effects/0/emit",
        ),
        (json!({"items": {}, "lootTables": {}}), "/lootTables"),
        (json!({"items": {}, "rules": [{}]}), "/rules/0/id"),
        (json!({"items": {}, "events": {"a/b": {"schema": {"type": 1}}}}), "/events/a~1b/schema"),
        (with_rule(json!({"on": "quest/dnoe"})), "/rules/0/on"),
        (with_rule(json!({"on": "quest/done", "oncePer": "/qeust"})), "/rules/0/oncePer"),
        (json!([]), ""),
    ];
    for (document, place) in cases {
        let answer = put(&satchel, "", Some(&current), &document).await;
        let pointers = answer.pointers();
        assert!(pointers.iter().any(|pointer| pointer.starts_with(place)), "{place} not in {}", answer.text);
    }
    let mut emits = with_item("x", json!({"name": "X", "grant": "once", "use": {"effects": [{"emit": "x/used"}]}}));
    emits["rules"] = json!([{"id": "r", "on": "x/used", "oncePer": "/level", "grant": ["gold"]}]);
    assert_eq!(put(&satchel, "", Some(&current), &emits).await.pointers(), ["/items/x/use/effects/0/emit"]);
    let mut two_faults = with_item("x", json!({"name": "X", "grant": "twice"}));
    two_faults["items"]["y"] = json!({"name": "", "grant": "once"});
    assert_eq!(put(&satchel, "", Some(&current), &two_faults).await.pointers(), ["/items/x/grant", "/items/y/name"]);
    assert_eq!(tag(&satchel).await, current);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn items_that_could_grant_each_other_without_end_are_refused() {
    let satchel = Satchel::start().await;
    let current = tag(&satchel).await;
    let gives = |other: &str| {
        json!({"name": "X", "grant": "stack",
               "use": {"consume": 1, "effects": [{"grant": [{"itemId": other, "quantity": 2}]}]}})
    };
    let mut catalogue = with_item("chicken", gives("egg"));
    catalogue["items"]["egg"] = gives("chicken");
    put(&satchel, "", Some(&current), &catalogue).await.problem(422);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn an_item_that_someone_holds_is_retired_and_not_removed() {
    let satchel = Satchel::start().await;
    satchel.game().submit_and_wait(&reward("u1", json!(["potion", "key"]))).await.expect(200);
    let mut without = test_catalogue();
    without["items"].as_object_mut().unwrap().remove("potion");
    let current = tag(&satchel).await;
    let refused = put(&satchel, "", Some(&current), &without).await;
    assert!(matches!(refused.status, 409 | 422), "{refused:?}");
    refused.problem(refused.status);

    let mut retired = test_catalogue();
    retired["items"]["potion"]["retired"] = json!(true);
    put(&satchel, "", Some(&current), &retired).await.expect(200);
    satchel_testkit::wait::until("the retired item is granted no more", || async {
        let job = satchel.game().submit_and_wait(&reward("u2", json!(["potion"]))).await.expect(200).json();
        (job["result"]["code"] == "unknown_item").then_some(())
    })
    .await;
    let used = satchel.game().submit_and_wait(&use_item("u1", "potion", 1)).await.expect(200).json();
    assert_eq!(used["status"], "applied");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn an_item_of_which_nobody_can_tell_in_time_who_holds_it_is_not_removed_and_jobs_go_on() {
    let satchel = Satchel::start().await;
    let mut without = test_catalogue();
    without["items"].as_object_mut().unwrap().remove("potion");
    let slow = satchel.database.hold("LOCK TABLE holdings IN ACCESS EXCLUSIVE MODE");
    let refused = put(&satchel, "", None, &without).await;
    assert_eq!(refused.pointers(), ["/items/potion"]);
    assert!(refused.text.contains("in time"), "{}", refused.text);
    let locked = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
                  WHERE relation = 'rules_gate'::regclass AND mode = 'ExclusiveLock' AND datname = current_database()";
    assert_eq!(satchel.database.owner.number(locked), 0, "batches are kept waiting");
    drop(slow);
    let job = satchel.game().submit_and_wait(&reward("u1", json!(["potion"]))).await.expect(200).json();
    assert_eq!(job["status"], "applied", "{job}");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn published_versions_cannot_be_changed_in_the_database() {
    let satchel = Satchel::start().await;
    for table in ["catalogue_versions", "items"] {
        for sql in [format!("UPDATE {table} SET version = 9"), format!("DELETE FROM {table}")] {
            assert!(satchel.database.api.try_run(&sql).is_err(), "{sql} as the API");
            assert!(satchel.database.owner.try_run(&sql).is_err(), "{sql} as the owner");
        }
    }
    invariants::check(&satchel).await;
}
