//! Many jobs in one request.

use satchel_testkit::job::{reward, reward_pieces, use_item};
use satchel_testkit::{Satchel, Setup};
use satchel_tests::invariants;
use serde_json::{Value, json};

fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors in {problem}"));
    errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn good_and_bad_entries_are_answered_one_by_one_in_order() {
    let satchel = Satchel::start().await;
    let jobs = json!([
        reward("u1", json!(["key"])),
        {"type": "reward_inventory_item", "userId": "u 1", "items": [{"itemId": "gold", "quantity": 0}], "x": 1},
        reward_pieces("u1", "gold", 5),
        "no job",
        {"type": "fly", "userId": "u1"},
        use_item("u1", "gold", 1),
    ]);
    let answer = satchel.game().submit(&jobs).await.expect(202).json();
    let answers = answer["jobs"].as_array().unwrap();
    assert_eq!(answers.len(), 6);
    for good in [0, 2, 5] {
        assert_eq!(answers[good]["status"], "queued", "{answer}");
        assert!(answers[good]["problem"].is_null(), "{answer}");
    }
    for (bad, expected) in
        [(1, vec!["/1/items/0/quantity", "/1/userId", "/1/x"]), (3, vec!["/3"]), (4, vec!["/4/type"])]
    {
        let problem = &answers[bad]["problem"];
        assert_eq!(problem["status"], 422, "{answer}");
        let mut found = pointers(problem);
        found.sort_unstable();
        assert_eq!(found, expected);
        assert!(answers[bad]["jobId"].is_null(), "{answer}");
    }
    let last = satchel.finished(answers[5]["jobId"].as_str().unwrap()).await;
    assert_eq!(last["result"]["code"], "not_usable");
    assert_eq!(satchel.holdings("u1").await, [("gold".to_owned(), 5), ("key".to_owned(), 1)]);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn entries_that_the_caller_may_not_submit_are_refused_and_the_rest_goes_on() {
    let satchel = Satchel::start().await;
    satchel.game().submit_and_wait(&reward_pieces("u1", "arrow", 3)).await.expect(200);
    let jobs = json!([use_item("u1", "arrow", 1), reward("u1", json!(["key"])), use_item("u1", "arrow", 1)]);
    let answer = satchel.player("u1").submit(&jobs).await.expect(202).json();
    assert_eq!(answer["jobs"][1]["problem"]["status"], 403, "{answer}");
    for allowed in [0, 2] {
        satchel.finished(answer["jobs"][allowed]["jobId"].as_str().unwrap()).await;
    }
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 1)]);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_thousand_jobs_in_one_array_are_applied_in_its_order() {
    let satchel = Satchel::start().await;
    let mut jobs = Vec::new();
    for _ in 0..500 {
        jobs.push(reward_pieces("u1", "arrow", 1));
        jobs.push(use_item("u1", "arrow", 1));
    }
    let answer = satchel.game().submit(&json!(jobs)).await.expect(202).json();
    assert_eq!(answer["jobs"].as_array().unwrap().len(), 1_000);
    invariants::check(&satchel).await;
    let rejected = "SELECT count(*) FROM jobs WHERE status <> 'applied'";
    assert_eq!(satchel.database.owner.number(rejected), 0);
}

#[tokio::test]
async fn keys_in_an_array_name_each_its_job() {
    let satchel = Satchel::start().await;
    let keyed = |key: &str, mut job: Value| {
        job["idempotencyKey"] = json!(key);
        job
    };
    let jobs = json!([
        keyed("a", reward_pieces("u1", "gold", 1)),
        keyed("b", reward_pieces("u1", "gold", 2)),
        keyed("a", reward_pieces("u1", "gold", 1)),
        keyed("a", reward_pieces("u1", "gold", 4)),
    ]);
    let first = satchel.game().submit(&jobs).await.expect(202).json();
    assert_eq!(first["jobs"][0]["jobId"], first["jobs"][2]["jobId"], "{first}");
    assert_ne!(first["jobs"][0]["jobId"], first["jobs"][1]["jobId"], "{first}");
    assert_eq!(first["jobs"][3]["problem"]["status"], 422, "{first}");
    let second = satchel.game().submit(&jobs).await.expect(202).json();
    assert_eq!(first["jobs"][0]["jobId"], second["jobs"][0]["jobId"]);
    satchel.finished(first["jobs"][1]["jobId"].as_str().unwrap()).await;
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("gold".to_owned(), 3)]);
}

#[tokio::test]
async fn arrays_too_long_or_empty_are_refused_as_a_whole() {
    let satchel = Satchel::start().await;
    let too_many = json!(vec![use_item("u1", "arrow", 1); 1_001]);
    assert_eq!(satchel.game().submit(&too_many).await.pointers(), [""]);
    assert_eq!(satchel.game().submit(&json!([])).await.pointers(), [""]);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn entries_that_the_queue_does_not_take_are_told_one_by_one() {
    let satchel = Setup::new().workers(0).start().await;
    let game = satchel.game();
    game.submit(&reward_pieces("u1", "gold", 1)).await.expect(202);
    let blocked = satchel.redis.commands.busy_streams().remove(0);
    // What is no stream takes no entry. Keep the one that is there for later.
    satchel.redis.commands.run(&["RENAME", &blocked, "kept"]);
    satchel.redis.commands.run(&["SET", &blocked, "no stream"]);

    let users: Vec<String> = (0..20).map(|i| format!("player-{i}")).chain(["u1".to_owned()]).collect();
    let jobs: Vec<Value> = users.iter().map(|user| reward_pieces(user, "gold", 1)).collect();
    let answer = game.submit(&json!(jobs)).await.expect(202).json();
    let answers = answer["jobs"].as_array().unwrap();
    let refused = answers.last().unwrap();
    assert!(refused["jobId"].is_null() && refused["problem"]["status"].as_u64() >= Some(500), "{refused}");
    let taken = answers.iter().filter(|answer| answer["status"] == "queued").count();
    assert!((1..=20).contains(&taken), "{answer}");

    satchel.redis.commands.run(&["RENAME", "kept", &blocked]);
    satchel.start_worker();
    invariants::check(&satchel).await;
    let finished = satchel.database.owner.number("SELECT count(*) FROM jobs");
    assert_eq!(finished, i64::try_from(taken).unwrap() + 1, "what was refused had no effect");
}
