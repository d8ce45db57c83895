//! What is told of: what rules give, why things were done, in which order; and that a damaged event harms no other.

use satchel_testkit::job::{reward, test_catalogue};
use satchel_testkit::receiver::{Received, Receiver, Reply};
use satchel_testkit::{Satchel, wait};
use satchel_tests::invariants;
use serde_json::{Value, json};

use super::{add, give, start};

/// The test catalogue with rules for an event that is sent and for one that a use emits.
fn catalogue() -> Value {
    let mut catalogue = test_catalogue();
    catalogue["items"]["potion"]["use"] = json!({"effects": [{"emit": "potion/drunk"}]});
    catalogue["items"]["jar"] = json!({"name": "Jar", "grant": "stack", "maxStack": 50, "overflow": "clamp"});
    catalogue["events"] = json!({"planet/completed": {}});
    catalogue["rules"] = json!([
        {"id": "planet-star", "on": "planet/completed", "oncePer": "/planetId",
         "grant": [{"itemId": "jar", "quantity": 30}]},
        {"id": "thirst", "on": "potion/drunk", "grant": ["arrow"]},
    ]);
    catalogue
}

async fn done(satchel: &Satchel, mut job: Value, reason: Option<&str>) -> Value {
    if let Some(reason) = reason {
        job["reason"] = json!(reason);
    }
    satchel.game().submit_and_wait(&job).await.expect(200).json()
}

async fn completed(satchel: &Satchel, id: &str, planet: &str) -> Value {
    let event = json!({"id": id, "name": "planet/completed", "userId": "u1", "data": {"planetId": planet}});
    satchel.game().tell_and_wait(&event).await.expect(200).json()
}

#[tokio::test]
async fn what_rules_give_and_why_is_told_in_an_order_that_can_be_restored() {
    let satchel = start().await;
    satchel.publish(&catalogue()).await;
    let receiver = Receiver::start(Reply::Status(200)).await;
    add(&satchel, &receiver.url(), &[]).await;
    done(&satchel, reward("u1", json!(["potion"])), Some("quest:42")).await;
    let potion = json!({"type": "use_item", "userId": "u1", "itemId": "potion"});
    let drunk = done(&satchel, potion.clone(), Some("thirsty")).await;
    done(&satchel, potion, Some("still thirsty")).await;
    let mars = completed(&satchel, "e1", "mars").await;
    // It has given for this one.
    completed(&satchel, "e2", "mars").await;

    let mut told: Vec<Value> = receiver.gets(8).await.iter().map(Received::event).collect();
    let place = |event: &Value| {
        (event["shard"].as_u64().expect("a shard"), event["sequence"].as_str().expect("a text").to_owned())
    };
    told.sort_by_key(place);
    let names: Vec<&str> = told.iter().map(|event| event["type"].as_str().expect("a name")).collect();
    assert_eq!(
        names,
        [
            "item/rewarded",
            "item/used",
            "potion/drunk",
            "item/rewarded",
            "job/rejected",
            "planet/completed",
            "item/rewarded",
            "planet/completed",
        ]
    );
    assert_eq!(told[0]["sequence"], "0000000000000000001");
    let listed = satchel.operator().get("/api/v1/events?userId=u1").await.expect(200).json();
    let listed: Vec<_> = listed["events"].as_array().expect("events").iter().rev().map(place).collect();
    assert_eq!(told.iter().map(place).collect::<Vec<_>>(), listed, "as the events stand in the store");
    let reasons: Vec<&Value> = told.iter().map(|event| &event["data"]["reason"]).collect();
    let (none, thirsty) = (&Value::Null, &json!("thirsty"));
    assert_eq!(reasons, [&json!("quest:42"), thirsty, none, thirsty, &json!("still thirsty"), none, none, none]);

    let by_use = &told[3]["data"];
    assert_eq!((&by_use["cause"], &by_use["event"]), (&json!("rule:thirst"), &json!("potion/drunk")));
    assert_eq!((&by_use["jobId"], &by_use["type"]), (&drunk["jobId"], &json!("use_item")));
    let by_event = &told[6]["data"];
    assert_eq!((&by_event["cause"], &by_event["event"]), (&json!("rule:planet-star"), &json!("planet/completed")));
    assert_eq!((&by_event["jobId"], &by_event["actor"]), (&mars["jobId"], &json!("service:game")));
    assert_eq!(
        by_event["result"],
        json!({"granted": [{"itemId": "jar", "quantity": 30, "balance": 30}], "skipped": []})
    );
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_rule_that_gave_nothing_may_give_another_time() {
    let satchel = start().await;
    satchel.publish(&catalogue()).await;
    done(&satchel, reward("u1", json!([{"itemId": "jar", "quantity": 50}])), None).await;
    let full = completed(&satchel, "e1", "mars").await;
    assert_eq!(full["result"]["rewards"][0]["skipped"][0]["reason"], "stack_limit", "{full}");
    let mut roomier = catalogue();
    roomier["items"]["jar"]["maxStack"] = json!(60);
    satchel.publish(&roomier).await;
    let fits = completed(&satchel, "e2", "mars").await;
    assert_eq!(fits["result"]["rewards"][0]["granted"][0]["quantity"], 10, "a part: {fits}");
    let again = completed(&satchel, "e3", "mars").await;
    assert_eq!(again["result"]["rewards"][0]["skipped"][0]["reason"], "already_granted", "{again}");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_damaged_event_costs_itself_only() {
    let satchel = start().await;
    let receiver = Receiver::start(Reply::Status(200)).await;
    give(&satchel, "u1").await;
    let gone =
        done(&satchel, reward("u1", json!(["key"])), Some("lost")).await["jobId"].as_str().expect("an id").to_owned();
    give(&satchel, "u1").await;
    let owner = &satchel.database.owner;
    // It changed nothing: the user has the key.
    owner.run(&format!("DELETE FROM records WHERE job_id = '{gone}'"));
    satchel.journal.retire(&gone);
    // An event that no job has written, about nobody.
    owner.run(
        "SELECT add_events(now(), ARRAY[shard], '{0}', '{0}', '{1}', '{1}', ARRAY['[[\"a/b\",1]]'], NULL, '{0}', '{NULL}', NULL,
                           ARRAY['{\"id\":\"x\",\"data\":{}}'])
         FROM shard_counters WHERE events > 0",
    );

    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = satchel.operator().get(&format!("/api/v1/events?limit=1{cursor}")).await.expect(200).json();
        listed.extend(page["events"].as_array().expect("events").clone());
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(listed.len(), 3, "the one about nobody is left out: {listed:?}");
    let known: Vec<_> = listed.iter().map(|event| (&event["userId"], event["data"].is_null())).collect();
    let user = &json!("u1");
    assert_eq!(known, [(user, false), (user, true), (user, false)]);
    assert_eq!((&listed[1]["jobId"], &listed[1]["name"]), (&json!(gone), &json!("item/rewarded")));

    // Functions hear of what comes after it, and of what stands before and after it in a replay.
    add(&satchel, &receiver.url(), &["item/rewarded"]).await;
    give(&satchel, "u1").await;
    receiver.gets(1).await;
    let whole = json!({"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"});
    let request =
        satchel.operator().request(reqwest::Method::POST, "/api/v1/functions/event-any-webhook-sender/replay");
    satchel.operator().send(request.json(&whole)).await.expect(202);
    let ended = "SELECT string_agg(status, ' ' ORDER BY event_seq) FROM function_runs WHERE replay_id IS NOT NULL";
    let all = "succeeded failed succeeded succeeded";
    wait::until_true("the replay is done", || satchel.database.owner.run(ended).trim() == all).await;
    let failures = "SELECT failures FROM function_runs WHERE status = 'failed'";
    let failed = satchel.database.owner.rows(failures);
    assert!(failed[0]["failures"].to_string().contains("its job is gone"), "{failed:?}");
    invariants::check(&satchel).await;
}
