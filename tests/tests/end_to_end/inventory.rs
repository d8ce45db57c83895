//! Reading what a user holds.

use reqwest::Method;
use satchel_testkit::Satchel;
use satchel_testkit::job::{reward, reward_pieces, use_item};
use satchel_tests::invariants;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Players who read at the same time: more than one statement answers, on each of several HTTP threads.
const READERS: i64 = 300;

#[tokio::test]
async fn a_user_never_seen_has_version_0_and_no_items() {
    let satchel = Satchel::start().await;
    let answer = satchel.player("nobody").get("/api/v1/users/nobody/inventory").await.expect(200);
    let inventory = answer.json();
    assert_eq!((&inventory["userId"], &inventory["version"]), (&json!("nobody"), &json!(0)));
    assert_eq!(inventory["items"], json!([]));
    assert!(inventory["nextCursor"].is_null(), "{inventory}");
    assert!(!answer.header("ETag").is_empty());
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn an_inventory_that_has_not_changed_is_not_sent_again() {
    let satchel = Satchel::start().await;
    let player = satchel.player("u1");
    let path = "/api/v1/users/u1/inventory";
    let get = async |tag: &str| player.send(player.request(Method::GET, path).header("If-None-Match", tag)).await;

    satchel.game().submit_and_wait(&reward("u1", json!(["key"]))).await.expect(200);
    let first = player.get(path).await.expect(200).header("ETag").to_owned();
    for tag in [first.clone(), "*".to_owned(), format!("\"other\", {first}"), format!("W/{first}")] {
        let unchanged = get(&tag).await.expect(304);
        assert_eq!((unchanged.text.as_str(), unchanged.header("ETag")), ("", first.as_str()), "{tag}");
    }
    satchel.game().submit_and_wait(&reward("u1", json!(["vault"]))).await.expect(200);
    let second = get(&first).await.expect(200);
    assert_ne!(second.header("ETag"), first);
    assert_eq!(second.json()["version"], 2);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn items_come_in_order_of_their_ids_without_those_used_up() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    game.submit(&reward("u1", json!(["vault", "potion", {"itemId": "gold", "quantity": 7}, "arrow"])))
        .await
        .expect(202);
    game.submit_and_wait(&use_item("u1", "potion", 1)).await.expect(200);
    let inventory = game.get("/api/v1/users/u1/inventory").await.expect(200).json();
    let items: Vec<_> = inventory["items"].as_array().unwrap().iter().map(|item| &item["itemId"]).collect();
    assert_eq!(items, ["arrow", "gold", "vault"]);
    assert_eq!(inventory["items"][1]["quantity"], 7);
    assert!(chrono::DateTime::parse_from_rfc3339(inventory["items"][1]["updatedAt"].as_str().unwrap()).is_ok());
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_long_inventory_is_read_page_by_page() {
    let satchel = Satchel::start().await;
    let mut catalogue = satchel_testkit::job::test_catalogue();
    let ids: Vec<String> = (0..25).map(|i| format!("item-{i:02}")).collect();
    for id in &ids {
        catalogue["items"][id] = json!({"name": id, "grant": "stack"});
    }
    satchel.publish(&catalogue).await;
    for id in &ids {
        satchel.game().submit(&reward_pieces("u1", id, 1)).await.expect(202);
    }
    invariants::check(&satchel).await;

    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = satchel.player("u1").get(&format!("/api/v1/users/u1/inventory?limit=10{cursor}")).await;
        let page = page.expect(200).json();
        let items = page["items"].as_array().unwrap();
        assert!(!items.is_empty() && items.len() <= 10, "{page}");
        found.extend(items.iter().map(|item| item["itemId"].as_str().unwrap().to_owned()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, ids);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_read_at_the_same_time_are_each_told_of_their_own() {
    let satchel = Satchel::start().await;
    let user = |number: i64| format!("reader-{number}");
    let jobs: Vec<Value> = (1..=READERS).map(|number| reward_pieces(&user(number), "gold", number)).collect();
    satchel.game().submit(&json!(jobs)).await.expect(202);
    invariants::check(&satchel).await;

    // While the first ones wait for Postgres, the others come.
    let lock = satchel.database.hold("LOCK TABLE holdings");
    let mut readers = JoinSet::new();
    for number in 0..=READERS {
        let player = satchel.player(&user(number));
        let path = format!("/api/v1/users/{}/inventory", user(number));
        readers.spawn(async move { (number, player.get(&path).await.expect(200).json()) });
    }
    satchel.database.someone_waits_for_a_lock().await;
    drop(lock);
    for (number, inventory) in readers.join_all().await {
        assert_eq!(inventory["userId"], user(number));
        let expected = if number == 0 { vec![] } else { vec![(json!("gold"), json!(number))] };
        let items = inventory["items"].as_array().unwrap().iter();
        let found: Vec<_> = items.map(|item| (item["itemId"].clone(), item["quantity"].clone())).collect();
        assert_eq!((found, &inventory["version"]), (expected, &json!(i64::from(number > 0))), "{inventory}");
    }
}
