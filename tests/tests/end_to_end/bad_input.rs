//! Bodies that are no valid job: 400 if they are no JSON, 422 with every fault's pointer if they are.

use satchel_testkit::Satchel;
use satchel_testkit::job::{reward, use_item};
use satchel_tests::invariants;
use serde_json::{Value, json};

#[tokio::test]
async fn what_is_no_json_is_malformed() {
    let satchel = Satchel::start().await;
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let texts = [
        "",
        "{",
        "{\"type\":\"use_item\",}",
        "{'type':'use_item'}",
        "{\"type\":\"use_item\"} x",
        "[{},]",
        "\"\\ud800\"",
        "{\"quantity\":01}",
        "{\"quantity\":NaN}",
        &deep(129),
        &deep(10_000),
    ];
    for text in texts {
        let answer = satchel.game().post_text("/api/v1/jobs", text).await;
        assert_eq!(answer.status, 400, "{text:.40}: {answer:?}");
        answer.problem(400);
    }
    let bytes =
        satchel.game().request(reqwest::Method::POST, "/api/v1/jobs").header("Content-Type", "application/json");
    satchel.game().send(bytes.body(b"{\"type\":\"\xff\"}".to_vec())).await.problem(400);
    invariants::check(&satchel).await;
}

/// A change to a valid job, and the places of its faults.
type Case = (Value, &'static [&'static str]);

fn faulty_rewards() -> Vec<Case> {
    let with = |name: &str, value: Value| {
        let mut job = reward("u1", json!(["key"]));
        job[name] = value;
        job
    };
    let pieces = |quantity: Value| with("items", json!([{"itemId": "gold", "quantity": quantity}]));
    vec![
        (pieces(json!(0)), &["/items/0/quantity"]),
        (pieces(json!(-1)), &["/items/0/quantity"]),
        (pieces(json!(1.5)), &["/items/0/quantity"]),
        (pieces(json!("5")), &["/items/0/quantity"]),
        (pieces(json!(null)), &["/items/0/quantity"]),
        (pieces(json!(1e10)), &["/items/0/quantity"]),
        (pieces(json!(1_000_000_001)), &["/items/0/quantity"]),
        (pieces(json!(u64::MAX)), &["/items/0/quantity"]),
        (with("colour", json!("red")), &["/colour"]),
        (with("quantity", json!(1)), &["/quantity"]),
        (with("a/b~c", json!(1)), &["/a~1b~0c"]),
        (with("userId", json!("")), &["/userId"]),
        (with("userId", json!("u".repeat(65))), &["/userId"]),
        (with("userId", json!("u 1")), &["/userId"]),
        (with("userId", json!("u\u{0}1")), &["/userId"]),
        (with("userId", json!("ü")), &["/userId"]),
        (with("userId", json!("../u1")), &["/userId"]),
        (with("userId", json!(".")), &["/userId"]),
        (with("userId", json!("..")), &["/userId"]),
        (with("items", json!(["key", ".."])), &["/items/1"]),
        (with("items", json!([{"itemId": "."}])), &["/items/0/itemId"]),
        (with("userId", json!(1)), &["/userId"]),
        (with("items", json!([])), &["/items"]),
        (with("items", json!((0..51).map(|i| format!("i{i}")).collect::<Vec<_>>())), &["/items"]),
        (with("items", json!("key")), &["/items"]),
        (with("items", json!(["key", "gold", "key"])), &["/items/2"]),
        (with("items", json!(["key", {"itemId": "key", "quantity": 2}])), &["/items/1"]),
        (with("items", json!(["Key"])), &["/items/0"]),
        (with("items", json!(["i".repeat(65)])), &["/items/0"]),
        (with("items", json!(["k\u{0}y"])), &["/items/0"]),
        (with("items", json!([7])), &["/items/0"]),
        (with("items", json!([{"quantity": 1}])), &["/items/0/itemId"]),
        (with("items", json!([{"itemId": "gold", "amount": 1}])), &["/items/0/amount"]),
        (with("reason", json!("r".repeat(201))), &["/reason"]),
        (with("reason", json!("a\u{0}b")), &["/reason"]),
        (with("reason", json!(["r"])), &["/reason"]),
        (with("type", json!("fly")), &["/type"]),
        (with("type", json!(null)), &["/type"]),
        (json!({}), &["/type", "/userId"]),
        (json!("no job"), &[""]),
        (json!(null), &[""]),
        (json!(5), &[""]),
    ]
}

#[tokio::test]
async fn a_faulty_reward_is_refused_with_the_place_of_each_fault() {
    let satchel = Satchel::start().await;
    for (job, expected) in faulty_rewards() {
        let answer = satchel.game().submit(&job).await;
        assert_eq!(answer.status, 422, "{job}: {answer:?}");
        assert_eq!(answer.pointers(), expected, "{job}: {}", answer.text);
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_faulty_use_is_refused_with_the_place_of_each_fault() {
    let satchel = Satchel::start().await;
    let with = |name: &str, value: Value| {
        let mut job = use_item("u1", "arrow", 1);
        job[name] = value;
        job
    };
    let cases: Vec<Case> = vec![
        (with("quantity", json!(0)), &["/quantity"]),
        (with("quantity", json!(1e10)), &["/quantity"]),
        (with("quantity", json!("5")), &["/quantity"]),
        (with("itemId", json!("Arrow")), &["/itemId"]),
        (with("itemId", json!(["arrow"])), &["/itemId"]),
        (with("items", json!(["arrow"])), &["/items"]),
        (json!({"type": "use_item", "userId": "u1"}), &["/itemId"]),
    ];
    for (job, expected) in cases {
        let answer = satchel.player("u1").submit(&job).await;
        assert_eq!(answer.pointers(), expected, "{job}: {}", answer.text);
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn all_faults_of_a_job_are_listed_at_once() {
    let satchel = Satchel::start().await;
    let job = json!({"type": "reward_inventory_item", "userId": "", "reason": 5, "x": 1,
                     "items": [{"itemId": "GOLD", "quantity": 0}, "key", "key"], "idempotencyKey": ""});
    let expected = ["/idempotencyKey", "/items/0/itemId", "/items/0/quantity", "/items/2", "/reason", "/userId", "/x"];
    let mut found = satchel.game().submit(&job).await.pointers();
    found.retain(|pointer| expected.contains(&pointer.as_str()));
    // That an item comes twice need not be seen while other entries of the list cannot be read.
    let without_duplicate: Vec<_> = expected.iter().filter(|pointer| **pointer != "/items/2").copied().collect();
    assert!(found == expected || found == without_duplicate, "{found:?}");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_field_given_twice_is_refused() {
    let satchel = Satchel::start().await;
    for (text, pointer) in [
        (r#"{"type":"use_item","userId":"u1","userId":"u2","itemId":"arrow"}"#, "/userId"),
        (r#"{"type":"use_item","userId":"u1","itemId":"arrow","quantity":1,"quantity":1}"#, "/quantity"),
        (
            r#"{"type":"reward_inventory_item","userId":"u1","items":[{"itemId":"gold","itemId":"key"}]}"#,
            "/items/0/itemId",
        ),
    ] {
        let answer = satchel.game().post_text("/api/v1/jobs", text).await;
        assert_eq!(answer.pointers(), [pointer], "{text}");
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn ids_at_their_bounds_are_accepted() {
    let satchel = Satchel::start().await;
    let user = "A-z0_9.:".repeat(8);
    let mut job = reward(&user, json!(["key", {"itemId": "arrow", "quantity": 1_000_000_000}]));
    job["reason"] = json!("é".repeat(200));
    let job = satchel.game().submit_and_wait(&job).await.expect(200).json();
    assert_eq!(job["status"], "applied");
    let inventory = satchel.player(&user).get(&format!("/api/v1/users/{user}/inventory")).await.expect(200).json();
    assert_eq!(inventory["userId"], user);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn ids_in_paths_and_queries_are_checked_too() {
    let satchel = Satchel::start().await;
    let operator = satchel.operator();
    let paths = [
        "/api/v1/users/u%201/inventory",
        "/api/v1/users/u%00/inventory",
        "/api/v1/users/%FF/inventory",
        "/api/v1/users/..%2Fu1/history",
        "/api/v1/jobs/not-a-uuid",
        "/api/v1/jobs/%00",
        "/api/v1/items/No%20Such",
        "/api/v1/users/u1/inventory?limit=0",
        "/api/v1/users/u1/inventory?limit=x",
        "/api/v1/users/u1/inventory?cursor=%00",
        "/api/v1/users/u1/inventory?cursor=garbage",
        "/api/v1/users/u1/history?cursor=garbage",
        "/api/v1/users/u1/history?limit=-1",
        "/api/v1/users/u1/history?from=yesterday",
        "/api/v1/users/u1/history?to=2026-13-01T00:00:00Z",
        "/api/v1/users/u1/history?jobId=1",
        "/api/v1/users/u1/history?itemId=%00",
        "/api/v1/users/u1/history?order=sideways",
        "/api/v1/users/u1/history?colour=red",
    ];
    for path in paths {
        let answer = operator.get(path).await;
        assert!(matches!(answer.status, 400 | 404 | 422), "{path}: {answer:?}");
        answer.problem(answer.status);
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_quantity_beyond_all_bounds_is_told_the_bounds() {
    let satchel = Satchel::start().await;
    let digits = "9".repeat(400);
    for quantity in
        ["99999999999999999999999999", "-99999999999999999999999999", "18446744073709551616", "1e400", &digits]
    {
        let job = format!(r#"{{"type":"use_item","userId":"u1","itemId":"arrow","quantity":{quantity}}}"#);
        let refused = satchel.player("u1").post_text("/api/v1/jobs", job).await.problem(422);
        let fault = json!([{"pointer": "/quantity", "detail": "must be an integer from 1 to 1000000000"}]);
        assert_eq!(refused["errors"], fault, "{quantity}");
    }
    invariants::check(&satchel).await;
}
