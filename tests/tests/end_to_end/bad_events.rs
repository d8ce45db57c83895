//! Events that cannot be taken in.

use satchel_testkit::Satchel;
use satchel_testkit::job::test_catalogue;
use satchel_tests::invariants;
use serde_json::{Value, json};

async fn start() -> Satchel {
    let satchel = Satchel::start().await;
    let mut catalogue = test_catalogue();
    catalogue["events"] = json!({"planet/completed": {}});
    satchel.publish(&catalogue).await;
    satchel
}

fn planet(id: &str, data: Value) -> Value {
    let mut event = json!({"id": id, "name": "planet/completed", "userId": "u1"});
    event["data"] = data;
    event
}

#[tokio::test]
async fn an_id_that_another_event_has_is_at_fault() {
    let satchel = start().await;
    satchel.game().tell_and_wait(&planet("e", json!({"planet": 1}))).await.expect(200);
    let other = planet("e", json!({"planet": 2}));
    let refused = satchel.game().tell(&other).await;
    assert_eq!(refused.pointers(), ["/id"]);
    assert!(refused.text.contains("was used for another event before"), "{}", refused.text);
    let many = json!([planet("f", json!({})), planet("f", json!({"planet": 1})), {}, other]);
    let answer = satchel.game().tell(&many).await.expect(202).json();
    assert_eq!(answer["events"][1]["problem"]["errors"][0]["pointer"], "/1/id", "{answer}");
    assert_eq!(answer["events"][3]["problem"]["errors"][0]["pointer"], "/3/id", "{answer}");
    satchel.finished(answer["events"][0]["jobId"].as_str().expect("an id")).await;
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn data_that_nobody_could_pass_on_is_at_fault_and_other_events_of_the_array_are_not() {
    let satchel = start().await;
    let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let cases = [
        (nested(32), "/data"),
        (nested(120), "/data"),
        ("1e400".to_owned(), "/data/a"),
        (format!("[0,-{}]", "9".repeat(400)), "/data/a/1"),
        (r#""b\u0000""#.to_owned(), "/data/a"),
        (r#"{"\u0000":1}"#.to_owned(), "/data/a/\0"),
    ];
    let event =
        |id: usize, a: &str| format!(r#"{{"id":"{id}","name":"planet/completed","userId":"u1","data":{{"a":{a}}}}}"#);
    for (a, pointer) in &cases {
        let refused = satchel.game().post_text("/api/v1/events", event(1, a)).await;
        assert_eq!(refused.pointers(), [*pointer], "{a:.40}");
    }
    let good = [nested(31), "1e308".to_owned()];
    let all = cases.iter().map(|(a, _)| a).chain(&good).enumerate().map(|(id, a)| event(id, a));
    let text = format!("[{}]", all.collect::<Vec<_>>().join(","));
    let answer = satchel.game().post_text("/api/v1/events", text).await.expect(202).json();
    let entries = answer["events"].as_array().expect("events");
    for (index, (entry, (_, pointer))) in entries.iter().zip(&cases).enumerate() {
        assert_eq!(entry["problem"]["errors"][0]["pointer"], format!("/{index}{pointer}"), "{entry}");
    }
    for entry in &entries[cases.len()..] {
        let job = satchel.finished(entry["jobId"].as_str().expect("accepted")).await;
        assert_eq!(job["status"], "applied", "{job}");
    }
    invariants::check(&satchel).await;
}
