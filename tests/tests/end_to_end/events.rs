//! What happens is told of, and rewarded by the catalogue's rules.

use satchel_testkit::Satchel;
use satchel_testkit::job::{reward, reward_pieces, test_catalogue, use_item};
use satchel_tests::invariants;
use serde_json::{Value, json};

/// The test catalogue with rules for events.
fn catalogue() -> Value {
    let mut catalogue = test_catalogue();
    catalogue["items"]["potion"]["use"] = json!({"effects": [{"emit": "potion/drunk"}]});
    let quest = json!({
        "description": "A quest is done",
        "schema": {"type": "object", "required": ["quest"], "properties": {"quest": {"type": "string"}}},
    });
    let day = json!({"schema": {"required": ["day"], "properties": {"day": {"type": "string", "format": "date"}}}});
    catalogue["events"] = json!({
        "quest/done": quest, "day/begun": day, "planet/completed": {}, "futurepass/connected": {}, "herbs/found": {},
    });
    catalogue["rules"] = json!([
        {"id": "welcome", "on": "futurepass/connected", "grant": ["welcome_chest", "key"]},
        {"id": "planet-star", "on": "planet/completed", "oncePer": "/planetId",
         "grant": [{"itemId": "gold", "quantity": 50}]},
        {"id": "thirst", "on": "potion/drunk", "grant": ["arrow"]},
        {"id": "brew", "on": "herbs/found", "grant": [{"itemId": "potion", "quantity": 90}]},
        {"id": "herbs", "on": "herbs/found", "grant": ["arrow"]},
    ]);
    catalogue
}

async fn start() -> Satchel {
    let satchel = Satchel::start().await;
    satchel.publish(&catalogue()).await;
    satchel
}

fn event(id: &str, name: &str, user_id: &str, data: Value) -> Value {
    let mut event = json!({"id": id, "name": name, "userId": user_id});
    event["data"] = data;
    event
}

fn planet(id: &str, planet_id: impl Into<Value>) -> Value {
    event(id, "planet/completed", "u1", json!({"planetId": planet_id.into()}))
}

/// What came of an event.
async fn outcome(satchel: &Satchel, event: &Value) -> Value {
    let job = satchel.game().tell_and_wait(event).await.expect(200).json();
    assert_eq!(job["status"], "applied", "{job}");
    job["result"].clone()
}

/// A page of events, newest first.
async fn events(satchel: &Satchel, query: &str) -> Vec<Value> {
    let page = satchel.operator().get(&format!("/api/v1/events{query}")).await.expect(200).json();
    page["events"].as_array().expect("events").clone()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["name"].as_str().expect("a name")).collect()
}

#[tokio::test]
async fn an_event_is_told_of_once_and_rewarded_once() {
    let satchel = start().await;
    let connected = json!({"id": "e1", "name": "futurepass/connected", "userId": "u1", "at": "2026-01-31T12:00:00Z"});
    let first = satchel.game().tell(&connected).await.expect(202);
    let receipt = first.json();
    assert_eq!((&receipt["id"], &receipt["status"]), (&json!("e1"), &json!("queued")));
    assert_eq!(first.header("Location"), format!("/api/v1/jobs/{}", first.job_id()));
    let job = satchel.finished(&first.job_id()).await;
    assert_eq!((&job["type"], &job["status"]), (&json!("send_event"), &json!("applied")));
    assert_eq!(
        job["result"],
        json!({"event": {"id": "e1", "name": "futurepass/connected"}, "rewards": [{
            "rule": "welcome", "skipped": [],
            "granted": [{"itemId": "welcome_chest", "quantity": 1, "balance": 1},
                        {"itemId": "key", "quantity": 1, "balance": 1}]}]})
    );
    let again = satchel.game().tell_and_wait(&connected).await.expect(200);
    assert_eq!((again.header("Idempotent-Replayed"), again.job_id()), ("true", first.job_id()));
    assert_eq!(satchel.holdings("u1").await, [("key".to_owned(), 1), ("welcome_chest".to_owned(), 1)]);

    let told = events(&satchel, "").await;
    assert_eq!(names(&told), ["item/rewarded", "futurepass/connected"], "newest first");
    let told = &told[1];
    assert_eq!((&told["id"], &told["source"]), (&json!("e1"), &json!("service:game")));
    assert_eq!((&told["userId"], &told["jobId"]), (&json!("u1"), &json!(first.job_id())));
    assert_eq!((&told["data"], &told["occurredAt"]), (&json!({}), &json!("2026-01-31T12:00:00.000000Z")));

    let entries = satchel.history("u1", "").await;
    assert!(entries.iter().all(|entry| entry["type"] == "send_event" && entry["cause"] == "rule:welcome"));

    // Another sender's event, and the same one about another player, are others.
    let other = satchel.service("match-server", "events:write").tell_and_wait(&connected).await.expect(200).json();
    assert_eq!(other["result"]["rewards"][0]["skipped"].as_array().map(Vec::len), Some(2), "{other}");
    let conflict = event("e1", "futurepass/connected", "u2", json!({}));
    assert!(satchel.game().tell(&conflict).await.problem(422)["detail"].is_string());
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_rule_gives_once_for_each_value() {
    let satchel = start().await;
    let granted = |result: &Value| result["rewards"][0]["granted"].as_array().map_or(0, Vec::len);
    assert_eq!(granted(&outcome(&satchel, &planet("1", json!("mars"))).await), 1);
    let again = outcome(&satchel, &planet("2", json!("mars"))).await;
    assert_eq!(again["rewards"][0]["skipped"], json!([{"itemId": "gold", "reason": "already_granted"}]));
    assert_eq!(granted(&outcome(&satchel, &planet("3", json!("venus"))).await), 1);
    assert_eq!(granted(&outcome(&satchel, &planet("4", json!(1))).await), 1);
    assert_eq!(granted(&outcome(&satchel, &planet("5", json!("1"))).await), 1, "a text is no number");
    let mut other = planet("6", json!("mars"));
    other["userId"] = json!("u2");
    assert_eq!(granted(&outcome(&satchel, &other).await), 1);
    // In one batch, too.
    let many: Vec<Value> = (0..20).map(|n| planet(&format!("m{n}"), json!("pluto"))).collect();
    let answer = satchel.game().tell(&json!(many)).await.expect(202).json();
    for receipt in answer["events"].as_array().expect("events") {
        satchel.finished(receipt["jobId"].as_str().expect("an id")).await;
    }
    assert_eq!(satchel.holdings("u1").await, [("gold".to_owned(), 250)]);
    let kept = "SELECT count(*) FROM rule_grants JOIN user_names USING (shard, uid) WHERE user_id = 'u1'";
    assert_eq!(satchel.database.owner.number(kept), 5);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_bad_event_is_refused_with_the_place_of_each_fault() {
    let satchel = start().await;
    let pointers = async |event: Value| satchel.game().tell(&event).await.pointers();
    assert_eq!(pointers(json!({})).await, ["/id", "/name", "/userId"]);
    let odd = json!({"id": "", "name": "planet", "userId": "u 1", "data": [], "at": "now", "more": 1});
    assert_eq!(pointers(odd).await, ["/at", "/data", "/id", "/more", "/name", "/userId"]);
    assert_eq!(pointers(event("e", "no/such", "u1", json!({}))).await, ["/name"]);
    assert_eq!(pointers(event("e", "item/rewarded", "u1", json!({}))).await, ["/name"]);
    assert_eq!(pointers(event("e", "quest/done", "u1", json!({"quest": 1}))).await, ["/data/quest"]);
    assert_eq!(pointers(event("e", "quest/done", "u1", json!({}))).await, ["/data"]);
    assert_eq!(pointers(planet("e", json!({"deep": 1}))).await, ["/data/planetId"]);
    assert_eq!(pointers(event("e", "day/begun", "u1", json!({"day": "whatever"}))).await, ["/data/day"]);
    let twice = r#"{"id":"e","name":"quest/done","userId":"u1","data":{"quest":"a","quest":"b"}}"#;
    assert_eq!(satchel.game().post_text("/api/v1/events", twice).await.pointers(), ["/data/quest"]);
    let as_job =
        json!({"type": "send_event", "userId": "u1", "eventId": "e", "name": "quest/done", "data": {"quest": "a"}});
    assert_eq!(satchel.game().submit(&as_job).await.pointers(), ["/type"]);

    let mixed = json!([event("1", "quest/done", "u1", json!({"quest": "a"})), {"id": "2", "userId": "u1"}, event("3", "x/y", "u1", json!({}))]);
    let answer = satchel.game().tell(&json!([mixed[0]])).await.expect(202).json();
    assert_eq!(answer["events"][0]["id"], "1");
    let answer = satchel.game().post_text("/api/v1/events", mixed.to_string()).await.expect(202).json();
    let entries = answer["events"].as_array().expect("events");
    assert_eq!((entries.len(), &entries[0]["idempotentReplayed"]), (3, &json!(true)));
    assert_eq!(entries[1]["problem"]["errors"][0]["pointer"], "/1/name");
    assert_eq!(entries[2]["problem"]["errors"][0]["pointer"], "/2/name");
    for empty in ["[]", "7", "{"] {
        let status = satchel.game().post_text("/api/v1/events", empty).await.status;
        assert!(matches!(status, 400 | 422), "{status} for {empty}");
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn only_services_with_the_scope_send_events_and_only_operators_read_them() {
    let satchel = start().await;
    let event = planet("e", json!("mars"));
    satchel.anyone().tell(&event).await.problem(401);
    satchel.player("u1").tell(&event).await.problem(403);
    satchel.operator().tell(&event).await.problem(403);
    satchel.service("shop", "rewards:write items:use inventory:read").tell(&event).await.problem(403);
    let sender = satchel.service("match-server", "events:write");
    let job_id = sender.tell_and_wait(&event).await.expect(200).job_id();
    sender.get(&format!("/api/v1/jobs/{job_id}")).await.expect(200);
    for (caller, status) in [(satchel.anyone(), 401), (satchel.player("u1"), 403), (satchel.game(), 403)] {
        caller.get("/api/v1/events").await.problem(status);
    }
    satchel.anyone().get("/api/v1/events/catalogue").await.problem(401);
    satchel.player("u1").get("/api/v1/events/catalogue").await.expect(200);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn an_event_counts_as_soon_as_the_catalogue_has_it() {
    let satchel = start().await;
    outcome(&satchel, &planet("1", json!("mars"))).await;
    for n in 0..3 {
        let mut catalogue = catalogue();
        let name = format!("season/begun-{n}");
        catalogue["events"][&name] = json!({});
        catalogue["rules"].as_array_mut().expect("rules").push(json!({"id": "new", "on": name, "grant": ["arrow"]}));
        satchel.publish(&catalogue).await;
        let result = outcome(&satchel, &event(&format!("s{n}"), &name, "u1", json!({}))).await;
        assert_eq!(result["rewards"][0]["granted"][0]["balance"], n + 1);
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_use_emits_its_events_and_their_rules_give() {
    let satchel = start().await;
    satchel.game().submit(&reward_pieces("u1", "potion", 5)).await.expect(202);
    let used = satchel.game().submit_and_wait(&use_item("u1", "potion", 2)).await.expect(200).json();
    assert_eq!(
        used["result"]["effects"],
        json!([{"emitted": {"name": "potion/drunk", "rewards": [{
            "rule": "thirst", "granted": [{"itemId": "arrow", "quantity": 1, "balance": 1}], "skipped": []}]}}])
    );
    let told = events(&satchel, "?userId=u1").await;
    assert_eq!(names(&told), ["item/rewarded", "potion/drunk", "item/used", "item/rewarded"], "newest first");
    let job_id = used["jobId"].as_str().expect("an id");
    assert_eq!((&told[0]["id"], &told[0]["data"]["cause"]), (&json!(format!("{job_id}:2")), &json!("rule:thirst")));
    let told = &told[1..];
    assert_eq!((&told[0]["id"], &told[1]["id"]), (&json!(format!("{job_id}:1")), &json!(job_id)));
    assert_eq!(
        (&told[0]["data"], &told[0]["source"]),
        (&json!({"itemId": "potion", "quantity": 2}), &json!("satchel"))
    );
    assert_eq!(told[1]["data"]["result"], used["result"]);
    assert_eq!((&told[1]["data"]["actor"], &told[1]["data"]["jobId"]), (&json!("service:game"), &json!(job_id)));
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_rule_that_cannot_give_is_told_of_and_the_others_give() {
    let satchel = start().await;
    satchel.game().submit(&reward_pieces("u1", "potion", 50)).await.expect(202);
    let result = outcome(&satchel, &event("h", "herbs/found", "u1", json!({}))).await;
    assert_eq!(result["rewards"][0]["refused"]["code"], "stack_limit", "{result}");
    assert_eq!(result["rewards"][1]["granted"][0]["itemId"], "arrow");
    let told = events(&satchel, "?name=rule/refused").await;
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["data"]["rule"], &told[0]["data"]["event"]), (&json!("brew"), &json!("herbs/found")));
    assert_eq!(told[0]["data"]["refusal"]["code"], "stack_limit");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn events_are_read_page_by_page_and_narrowed_down() {
    let satchel = start().await;
    let users: Vec<String> = (0..10).map(|n| format!("u{n}")).collect();
    let jobs: Vec<Value> = (0..5).flat_map(|_| users.iter().map(|user| reward(user, json!(["arrow"])))).collect();
    for job_id in satchel.game().submit(&json!(jobs)).await.expect(202).job_ids() {
        satchel.finished(&job_id).await;
    }
    let rejected = satchel.game().submit_and_wait(&use_item("u3", "vault", 1)).await.expect(200).json();
    let all = events(&satchel, "?limit=500").await;
    assert_eq!(all.len(), 51);
    assert_eq!(all[0]["name"], "job/rejected");
    assert_eq!(all[0]["data"]["result"], rejected["result"]);
    let times: Vec<&str> = all.iter().map(|event| event["at"].as_str().expect("a time")).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "newest first: {times:?}");

    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = satchel.operator().get(&format!("/api/v1/events?limit=7{cursor}")).await.expect(200).json();
        paged.extend(page["events"].as_array().expect("events").clone());
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, all, "page by page");

    let of_user = events(&satchel, "?userId=u3").await;
    assert_eq!(of_user.len(), 6);
    let own: Vec<&Value> = all.iter().filter(|event| event["userId"] == "u3").collect();
    assert!(of_user.iter().eq(own), "a user's, in their order");
    assert_eq!(events(&satchel, "?name=job/rejected").await.len(), 1);
    let last = times[0];
    assert_eq!(
        events(&satchel, &format!("?from={last}")).await.len(),
        times.iter().filter(|time| **time >= last).count()
    );
    assert_eq!(
        events(&satchel, &format!("?to={last}&limit=500")).await.len(),
        times.iter().filter(|time| **time < last).count()
    );
    assert!(events(&satchel, "?from=2100-01-01T00:00:00Z").await.is_empty());
    for odd in [
        "?name=x",
        "?userId=a%20b",
        "?from=now",
        "?limit=0",
        "?cursor=1",
        "?order=asc",
        "?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
    ] {
        satchel.operator().get(&format!("/api/v1/events{odd}")).await.problem(400);
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn the_event_catalogue_describes_all_events_by_schema() {
    let satchel = start().await;
    let answer = satchel.player("u1").get("/api/v1/events/catalogue").await.expect(200).json();
    let described = answer["events"].as_array().expect("events");
    let find = |name: &str| described.iter().find(|event| event["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    let used = find("item/used");
    assert_eq!((&used["version"], &used["declaredBy"]), (&json!(1), &json!("satchel")));
    assert!(used["schema"]["properties"]["result"].is_object(), "{used}");
    let quest = find("quest/done");
    assert_eq!((&quest["description"], &quest["declaredBy"]), (&json!("A quest is done"), &json!("catalogue")));
    assert_eq!(quest["schema"], catalogue()["events"]["quest/done"]["schema"]);
    assert_eq!(find("planet/completed")["schema"], json!({}), "anything");
    invariants::check(&satchel).await;
}
