//! What a request may cost, and what a part of it that is wrong may cost the others.

use reqwest::Method;
use satchel_testkit::job::{reward_pieces, test_catalogue};
use satchel_testkit::{Answer, Satchel, Setup};
use satchel_tests::invariants;
use serde_json::{Value, json};

/// Publishes a catalogue with an event of such a schema.
async fn publish(satchel: &Satchel, schema: &Value) -> Answer {
    let mut catalogue = test_catalogue();
    catalogue["events"] = json!({"planet/completed": {"schema": schema}});
    let operator = satchel.operator();
    operator.send(operator.request(Method::PUT, "/api/v1/catalogue").json(&catalogue)).await
}

fn event(id: &str, data: &str) -> String {
    format!(r#"{{"id":"{id}","name":"planet/completed","userId":"u1","data":{data}}}"#)
}

#[tokio::test]
async fn a_schema_that_could_take_for_ever_is_refused() {
    let satchel = Setup::new().workers(0).start().await;
    let itself = json!({"$ref": "#"});
    for schema in [
        json!({"anyOf": [{"properties": {"a": itself}, "required": ["b"]}, {"properties": {"a": itself}}]}),
        json!({"allOf": [itself]}),
    ] {
        let refused = publish(&satchel, &schema).await;
        assert_eq!(refused.pointers(), ["/events/planet~1completed/schema"], "{}", refused.text);
    }
    let tree = json!({"properties": {"left": itself, "right": itself, "value": {"type": "integer"}}});
    publish(&satchel, &tree).await.expect(200);
    let fine = event("fine", r#"{"left":{"left":{"value":1},"right":{"right":{"value":2}}}}"#);
    satchel.game().post_text("/api/v1/events", fine).await.expect(202);
    let wrong = event("wrong", r#"{"left":{"left":{"value":"x"}}}"#);
    assert_eq!(satchel.game().post_text("/api/v1/events", wrong).await.pointers(), ["/data/left/left/value"]);
}

#[tokio::test]
async fn events_that_take_long_to_check_hold_nobody_up() {
    let satchel = Satchel::start().await;
    // As much as may be published: each value meets a thousand subschemas, and all fail.
    let branches: Vec<Value> =
        (0..200).map(|n| json!({"properties": {"x": {"const": n}}, "required": ["x"]})).collect();
    publish(&satchel, &json!({"properties": {"list": {"items": {"anyOf": branches}}}})).await.expect(200);
    let large = event("large", &format!(r#"{{"list":[{}1]}}"#, "{},".repeat(15_000)));
    let refused = satchel.game().post_text("/api/v1/events", large.clone()).await;
    assert_eq!(refused.pointers(), ["/data"]);
    let middle = event("middle", &format!(r#"{{"list":[{}1]}}"#, "{},".repeat(500)));
    let refused = satchel.game().post_text("/api/v1/events", middle.clone()).await;
    assert_eq!(refused.pointers(), ["/data"], "{}", refused.text);
    let many = vec![middle; 400].join(",");
    let fine = event("fine", r#"{"list":[{"x":7}]}"#);
    let answer =
        satchel.game().post_text("/api/v1/events", format!("[{fine},{large},{many}]")).await.expect(202).json();
    let statuses: Vec<_> =
        answer["events"].as_array().unwrap().iter().map(|entry| &entry["problem"]["status"]).collect();
    assert_eq!((statuses[0], statuses[1], statuses[2]), (&Value::Null, &json!(422), &json!(422)));
    assert_eq!(statuses[401], &json!(503), "for those there was nothing left");
    satchel.finished(answer["events"][0]["jobId"].as_str().expect("accepted")).await;
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_answered_for_itself() {
    let satchel = Satchel::start().await;
    publish(&satchel, &json!({})).await.expect(200);
    let deep = format!("{}{}", "[".repeat(130), "]".repeat(130));
    let bad = [
        (r#""\ud83d""#.to_owned(), 400, true),
        (deep, 400, false),
        ("1e999".to_owned(), 422, true),
        ("{},\"a\":1".to_owned(), 422, true),
        (format!("\"{}\"", "x".repeat(66_000)), 413, false),
    ];
    let job = |reason: &str| {
        let job = reward_pieces("u1", "gold", 1).to_string();
        format!(r#"{},"reason":{reason}}}"#, job.strip_suffix('}').unwrap())
    };
    let told = |data: &str| event("e", &format!(r#"{{"a":{data}}}"#));
    let (game, good) = (satchel.game(), [job("\"r\""), event("good", "{}")]);
    for (path, name, entry, good) in [
        ("/api/v1/jobs", "jobs", &job as &dyn Fn(&str) -> String, &good[0]),
        ("/api/v1/events", "events", &told as &dyn Fn(&str) -> String, &good[1]),
    ] {
        for (text, status, is_inside) in &bad {
            let text = format!("[{good},{},{good}]", entry(text));
            let answer = game.post_text(path, text).await.expect(202).json();
            let entries = answer[name].as_array().expect("entries");
            assert!(entries[0]["jobId"].is_string() && entries[2]["jobId"].is_string(), "{answer}");
            let problem = &entries[1]["problem"];
            assert_eq!(problem["status"], *status, "{problem}");
            let pointer = problem["errors"][0]["pointer"].as_str().expect("a pointer");
            assert!(if *is_inside { pointer.starts_with("/1/") } else { pointer == "/1" }, "{problem}");
        }
        for text in [format!("[{good},]"), format!("[{good}"), format!("[{good}]]"), format!("[{good},{{\"a\"}}]")] {
            game.post_text(path, text).await.problem(400);
        }
    }
    satchel_testkit::wait::until_true("all good ones are applied", || {
        satchel.database.owner.number("SELECT count(*) FROM jobs") == 2 * 5 + 1
    })
    .await;
}

#[tokio::test]
async fn an_array_of_nothing_but_faults_is_answered_briefly() {
    let satchel = Setup::new().workers(0).start().await;
    let text = format!("[{}[]]", "[], ".repeat(999));
    for path in ["/api/v1/jobs", "/api/v1/events"] {
        let answer = satchel.game().post_text(path, text.clone()).await.expect(202);
        assert!(answer.text.len() < 64 * 1024, "{} bytes", answer.text.len());
        let document = answer.json();
        let entries = document.as_object().unwrap().values().next().unwrap().as_array().unwrap();
        assert_eq!(entries.len(), 1_000);
        assert!(entries.iter().all(|entry| entry["problem"]["status"] == 422));
        assert_eq!(entries[49]["problem"]["errors"][0]["pointer"], "/49");
        assert!(entries[50]["problem"]["errors"].is_null(), "{}", entries[50]);
        // Of a longer one nothing is read behind the first entry too many.
        let too_many = format!("[{}[], no JSON", "[],".repeat(340_000));
        assert_eq!(satchel.game().post_text(path, too_many).await.pointers(), [""]);
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn many_faults_with_long_names_are_answered_briefly() {
    let satchel = Setup::new().workers(0).start().await;
    publish(&satchel, &json!({"additionalProperties": {"items": {"type": "integer"}}})).await.expect(200);
    // Each of a hundred faults is in a place with a name of 500 characters that take six bytes each in JSON, and quotes
    // what is there.
    let (name, value) = ("\\u0001".repeat(80) + &"n".repeat(400), "v".repeat(900));
    let data = format!(r#"{{"{name}":[{}1]}}"#, format!("\"{value}\",").repeat(60));
    let alone = satchel.game().post_text("/api/v1/events", event("e", &data)).await.problem(422);
    assert!(alone.to_string().len() < 32 * 1024, "{} bytes", alone.to_string().len());
    let many = format!("[{}{}]", format!("{},", event("e", &data)).repeat(10), "1,".repeat(900) + "1");
    let answer = satchel.game().post_text("/api/v1/events", many).await.expect(202);
    assert!(answer.text.len() < 128 * 1024, "{} bytes", answer.text.len());
    assert_eq!(answer.json()["events"].as_array().map(Vec::len), Some(911));
}
