//! Events that cannot be taken in.

use satchel_tests::job::test_catalogue;
use satchel_tests::{Satchel, invariants};
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
