//! What becomes of a job by the rules of the catalogue.

use satchel_testkit::Satchel;
use satchel_testkit::job::{reward, reward_pieces, test_catalogue, use_item};
use satchel_tests::invariants;
use serde_json::{Value, json};

/// Submits as the game server and gives the outcome.
async fn outcome(satchel: &Satchel, job: &Value) -> Value {
    satchel.game().submit_and_wait(job).await.expect(200).json()
}

/// Submits a job that must be rejected with `code`, and gives its result.
async fn rejected(satchel: &Satchel, job: &Value, code: &str) -> Value {
    let before = satchel.game().get("/api/v1/users/u1/inventory").await.expect(200).text;
    let job = outcome(satchel, job).await;
    assert_eq!(job["status"], "rejected", "{job}");
    assert_eq!(job["result"]["code"], code, "{job}");
    assert!(job["result"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{job}");
    let after = satchel.game().get("/api/v1/users/u1/inventory").await.expect(200).text;
    assert_eq!(before, after, "a rejected job changed something");
    job["result"].clone()
}

#[tokio::test]
async fn an_unknown_item_is_rejected() {
    let satchel = Satchel::start().await;
    for job in [reward("u1", json!(["key", "no_such_item"])), use_item("u1", "no_such_item", 1)] {
        let result = rejected(&satchel, &job, "unknown_item").await;
        assert_eq!(result["itemId"], "no_such_item");
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn using_more_than_is_blocked_is_rejected() {
    let satchel = Satchel::start().await;
    let result = rejected(&satchel, &use_item("u1", "potion", 1), "insufficient_quantity").await;
    assert_eq!((&result["itemId"], &result["balance"]), (&json!("potion"), &json!(0)));
    outcome(&satchel, &reward_pieces("u1", "potion", 3)).await;
    let result = rejected(&satchel, &use_item("u1", "potion", 4), "insufficient_quantity").await;
    assert_eq!(result["balance"], 3);
    assert_eq!(outcome(&satchel, &use_item("u1", "potion", 3)).await["status"], "applied");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn nobody_pays_for_nothing() {
    let satchel = Satchel::start().await;
    let mut catalogue = test_catalogue();
    let gold = json!([{"itemId": "gold", "quantity": 300, "consume": true}]);
    let sells = |effects: Value| json!({"consume": 0, "requires": gold, "effects": effects});
    let items = &mut catalogue["items"];
    items["quiver"] = json!({"name": "Quiver", "grant": "stack", "maxStack": 10, "overflow": "clamp"});
    items["smith"] =
        json!({"name": "Smith", "grant": "unique", "use": sells(json!([{"emit": "smith/paid"}, {"grant": ["key"]}]))});
    items["archer"] = json!({"name": "Archer", "grant": "unique",
        "use": sells(json!([{"grant": [{"itemId": "quiver", "quantity": 6}]}, {"grant": ["key"]}]))});
    items["beggar"] = items["smith"].clone();
    items["beggar"]["use"]["allowSkipped"] = json!(true);
    satchel.publish(&catalogue).await;
    let items = json!(["smith", "archer", "beggar", {"itemId": "gold", "quantity": 2000}]);
    outcome(&satchel, &reward("u1", items)).await;

    assert_eq!(outcome(&satchel, &use_item("u1", "smith", 1)).await["status"], "applied");
    let result = rejected(&satchel, &use_item("u1", "smith", 1), "already_granted").await;
    assert_eq!((&result["itemId"], &result["balance"]), (&json!("key"), &json!(1)));
    // A part is something.
    for _ in 0..2 {
        assert_eq!(outcome(&satchel, &use_item("u1", "archer", 1)).await["status"], "applied");
    }
    let result = rejected(&satchel, &use_item("u1", "archer", 1), "stack_limit").await;
    assert_eq!((&result["itemId"], &result["balance"]), (&json!("quiver"), &json!(10)));
    assert_eq!(outcome(&satchel, &use_item("u1", "beggar", 1)).await["status"], "applied", "it may");
    let held = satchel.holdings("u1").await;
    assert!(held.contains(&("gold".to_owned(), 2000 - 4 * 300)), "{held:?}");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn using_an_item_without_use_is_rejected() {
    let satchel = Satchel::start().await;
    outcome(&satchel, &reward("u1", json!(["key"]))).await;
    let result = rejected(&satchel, &use_item("u1", "key", 1), "not_usable").await;
    assert_eq!(result["itemId"], "key");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_use_whose_condition_fails_is_rejected_and_names_the_condition() {
    let satchel = Satchel::start().await;
    outcome(&satchel, &reward("u1", json!(["vault"]))).await;
    let result = rejected(&satchel, &use_item("u1", "vault", 1), "condition_failed").await;
    assert!(result["condition"].to_string().contains("key"), "{result}");

    outcome(&satchel, &reward("u1", json!(["key"]))).await;
    let job = outcome(&satchel, &use_item("u1", "vault", 1)).await;
    assert_eq!(
        job["result"],
        json!({"consumed": {"itemId": "vault", "quantity": 0, "balance": 1},
               "effects": [{"granted": {"itemId": "gold", "quantity": 500, "balance": 500}}]})
    );
    assert_eq!(satchel.holdings("u1").await, [("gold".to_owned(), 500), ("vault".to_owned(), 1)]);
    let entries = satchel.history("u1", &format!("?jobId={}&order=asc", job["jobId"].as_str().unwrap())).await;
    let changes: Vec<_> = entries.iter().map(|entry| (entry["itemId"].as_str().unwrap(), &entry["delta"])).collect();
    assert_eq!(changes, [("key", &json!(-1)), ("gold", &json!(500))]);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_stack_beyond_its_limit_is_rejected_or_clamped_as_the_catalogue_says() {
    let satchel = Satchel::start().await;
    outcome(&satchel, &reward_pieces("u1", "potion", 90)).await;
    let result = rejected(&satchel, &reward_pieces("u1", "potion", 10), "stack_limit").await;
    assert_eq!((&result["itemId"], &result["balance"]), (&json!("potion"), &json!(90)));
    // One item that does not fit rejects the whole job.
    rejected(&satchel, &reward("u1", json!(["key", {"itemId": "potion", "quantity": 10}])), "stack_limit").await;

    outcome(&satchel, &reward_pieces("u1", "gold", 999_990)).await;
    let job = outcome(&satchel, &reward_pieces("u1", "gold", 30)).await;
    assert_eq!(job["result"]["granted"], json!([{"itemId": "gold", "quantity": 10, "balance": 1_000_000}]));
    assert_eq!(job["result"]["skipped"][0]["quantity"], 20);
    let job = outcome(&satchel, &reward_pieces("u1", "gold", 30)).await;
    assert_eq!((&job["status"], &job["result"]["granted"]), (&json!("applied"), &json!([])));
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn the_largest_quantities_add_up_to_a_rejection_and_not_to_an_overflow() {
    let satchel = Satchel::start().await;
    for _ in 0..3 {
        assert_eq!(outcome(&satchel, &reward_pieces("u1", "arrow", 1_000_000_000)).await["status"], "applied");
    }
    rejected(&satchel, &use_item("u1", "welcome_chest", 1_000_000_000), "insufficient_quantity").await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 3_000_000_000)]);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn once_means_once_ever_and_unique_means_one_at_a_time() {
    let satchel = Satchel::start().await;
    let skipped = |item: &str| json!({"granted": [], "skipped": [{"itemId": item, "reason": "already_granted"}]});

    outcome(&satchel, &reward("u1", json!(["welcome_chest", "key", "vault"]))).await;
    for item in ["welcome_chest", "key"] {
        let again = outcome(&satchel, &reward("u1", json!([item]))).await;
        assert_eq!((&again["status"], &again["result"]), (&json!("applied"), &skipped(item)));
    }
    outcome(&satchel, &use_item("u1", "welcome_chest", 1)).await;
    outcome(&satchel, &use_item("u1", "vault", 1)).await;
    let chest = outcome(&satchel, &reward("u1", json!(["welcome_chest"]))).await;
    assert_eq!(chest["result"], skipped("welcome_chest"));
    let key = outcome(&satchel, &reward("u1", json!(["key"]))).await;
    assert_eq!(key["result"]["granted"][0]["balance"], 1);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn what_a_use_gives_is_given_by_the_policies_of_what_it_gives() {
    let satchel = Satchel::start().await;
    outcome(&satchel, &reward_pieces("u1", "gold", 999_950)).await;
    outcome(&satchel, &reward("u1", json!(["welcome_chest"]))).await;
    let job = outcome(&satchel, &use_item("u1", "welcome_chest", 1)).await;
    assert_eq!(job["status"], "applied");
    assert_eq!(
        job["result"]["effects"][0],
        json!({"granted": {"itemId": "gold", "quantity": 50, "balance": 1_000_000}})
    );
    assert_eq!(job["result"]["effects"][1]["skipped"]["quantity"], 70);
    invariants::check(&satchel).await;
}
