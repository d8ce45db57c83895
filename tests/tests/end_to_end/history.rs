//! Reading how it came about.

use satchel_testkit::Satchel;
use satchel_testkit::job::{reward, reward_pieces, use_item};
use satchel_tests::invariants;
use serde_json::{Value, json};

/// Ten ledger entries: gold +1 … +5, then vault and key, then the vault's use: key −1, gold +500; arrow +1.
async fn satchel_with_history() -> (Satchel, String) {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    for quantity in 1..=5 {
        game.submit(&reward_pieces("u1", "gold", quantity)).await.expect(202);
    }
    game.submit(&reward("u1", json!(["vault", "key"]))).await.expect(202);
    let used = game.submit_and_wait(&use_item("u1", "vault", 1)).await.expect(200).job_id();
    game.submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    game.submit_and_wait(&reward_pieces("u2", "arrow", 1)).await.expect(200);
    (satchel, used)
}

fn seqs(entries: &[Value]) -> Vec<i64> {
    entries.iter().map(|entry| entry["seq"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn the_newest_entry_comes_first_and_each_says_what_who_why_and_when() {
    let (satchel, used) = satchel_with_history().await;
    let entries = satchel.history("u1", "").await;
    assert_eq!(seqs(&entries), (1..=10).rev().collect::<Vec<_>>());
    let granted = &entries[1];
    for (name, expected) in [
        ("jobId", json!(used)),
        ("type", json!("use_item")),
        ("itemId", json!("gold")),
        ("delta", json!(500)),
        ("balance", json!(515)),
        ("actor", json!("service:game")),
        ("reason", json!(null)),
        ("catalogueVersion", json!(1)),
    ] {
        assert_eq!(granted[name], expected, "{name} of {granted}");
    }
    assert!(granted["cause"].as_str().is_some_and(|cause| cause.contains("vault")), "{granted}");
    assert_eq!(granted["hash"].as_str().unwrap().len(), 64);
    assert!(!granted["requestId"].as_str().unwrap().is_empty());
    assert!(chrono::DateTime::parse_from_rfc3339(granted["at"].as_str().unwrap()).is_ok());
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_history_can_be_narrowed_down() {
    let (satchel, used) = satchel_with_history().await;
    let all = satchel.history("u1", "").await;
    let at = |seq: usize| all[10 - seq]["at"].as_str().unwrap().replace('+', "%2B");
    for (query, expected) in [
        ("?itemId=gold".to_owned(), vec![9, 5, 4, 3, 2, 1]),
        ("?itemId=no_such_item".to_owned(), vec![]),
        ("?type=use_item".to_owned(), vec![9, 8]),
        (format!("?jobId={used}"), vec![9, 8]),
        (format!("?jobId={used}&itemId=key"), vec![8]),
        ("?itemId=gold&type=reward_inventory_item".to_owned(), vec![5, 4, 3, 2, 1]),
        ("?order=asc&limit=3".to_owned(), vec![1, 2, 3]),
        ("?order=desc&limit=3".to_owned(), vec![10, 9, 8]),
        (format!("?from={}", at(10)), vec![10]),
        (format!("?to={}&order=asc&type=use_item", at(10)), vec![8, 9]),
        ("?from=2999-01-01T00:00:00Z".to_owned(), vec![]),
        ("?to=2000-01-01T00:00:00Z".to_owned(), vec![]),
    ] {
        assert_eq!(seqs(&satchel.history("u1", &query).await), expected, "{query}");
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_long_history_is_read_page_by_page_in_both_orders() {
    let (satchel, _) = satchel_with_history().await;
    for (order, expected) in [("asc", (1..=10).collect::<Vec<i64>>()), ("desc", (1..=10).rev().collect())] {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/v1/users/u1/history?order={order}&limit=4{cursor}");
            let page = satchel.player("u1").get(&path).await.expect(200).json();
            let entries = page["entries"].as_array().unwrap();
            assert!(!entries.is_empty() && entries.len() <= 4, "{page}");
            found.extend(seqs(entries));
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(found, expected, "{order}");
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_user_never_seen_has_an_empty_history() {
    let satchel = Satchel::start().await;
    let history = satchel.player("nobody").get("/api/v1/users/nobody/history").await.expect(200).json();
    assert_eq!(history["entries"], json!([]));
    assert!(history["nextCursor"].is_null());
    invariants::check(&satchel).await;
}
