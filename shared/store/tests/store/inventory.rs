//! Pages of inventories.

use satchel_model::ids::{ItemId, UserId};
use satchel_store::StoreError;
use satchel_store::inventory::{InventoryPage, PageOf, pages};

use crate::database::Database;

/// `ann` has one ledger entry for each of five items, `d` of which is used up; `bob` has none of his one item left.
const HOLDINGS: &str = "
    SELECT uid_of('ann', 1), uid_of('bob', 2);
    UPDATE users SET version = CASE shard WHEN 1 THEN 5 ELSE 2 END;
    INSERT INTO holdings (shard, uid, item_id, quantity, granted_total, used_total, last_granted_at, updated_at)
        SELECT 1, uid_of('ann', 1), item, CASE item WHEN 'd' THEN 0 ELSE ascii(item) END, 200, 0, now(), now()
        FROM UNNEST(ARRAY['e', 'b', 'd', 'a', 'c']) AS item;
    INSERT INTO holdings (shard, uid, item_id, quantity, granted_total, used_total, last_used_at, updated_at)
        VALUES (2, uid_of('bob', 2), 'key', 0, 1, 1, now(), now());";

fn page_of(user: &str, after: Option<&str>, limit: u16) -> PageOf {
    let after = after.map(|item| ItemId::parse(item).unwrap());
    PageOf { user_id: UserId::parse(user).unwrap(), after, limit }
}

/// Version, items and whether there are more.
fn told(page: &Result<InventoryPage, StoreError>) -> (i64, String, bool) {
    let page = page.as_ref().unwrap();
    let items: Vec<String> = page.items.iter().map(|held| format!("{}={}", held.item_id, held.quantity)).collect();
    (page.version, items.join(" "), page.more)
}

#[tokio::test]
async fn each_page_is_answered_in_its_place() {
    let database = Database::new().await;
    database.psql(HOLDINGS);
    let wanted = [
        page_of("nobody", None, 50),
        page_of("ann", Some("b"), 50),
        page_of("bob", None, 50),
        page_of("ann", None, 2),
        page_of("zoe", Some("a"), 1),
        page_of("ann", Some("e"), 50),
    ];
    let found = pages(&mut database.session(), &wanted).await.unwrap();
    let found: Vec<_> = found.iter().map(told).collect();
    let expected = [
        (0, "", false),
        (5, "c=99 e=101", false),
        (2, "", false),
        (5, "a=97 b=98", true),
        (0, "", false),
        (5, "", false),
    ];
    assert_eq!(found, expected.map(|(version, items, more)| (version, items.to_owned(), more)));
}

#[tokio::test]
async fn more_is_told_exactly_where_items_follow() {
    let database = Database::new().await;
    database.psql(HOLDINGS);
    let wanted: Vec<PageOf> = (1..=5).map(|limit| page_of("ann", None, limit)).collect();
    let found = pages(&mut database.session(), &wanted).await.unwrap();
    let found: Vec<_> = found.iter().map(told).map(|(_, items, more)| (items.split(' ').count(), more)).collect();
    assert_eq!(found, [(1, true), (2, true), (3, true), (4, false), (4, false)]);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_spoils_its_own_page_only() {
    let database = Database::new().await;
    database.psql(HOLDINGS);
    database.psql(
        "INSERT INTO holdings (shard, uid, item_id, quantity, granted_total, used_total, updated_at)
         VALUES (2, uid_of('bob', 2), 'NO ID', 1, 1, 0, now())",
    );
    let wanted = [page_of("ann", None, 1), page_of("bob", None, 50), page_of("ann", Some("c"), 1)];
    let found = pages(&mut database.session(), &wanted).await.unwrap();
    assert_eq!(told(&found[0]), (5, "a=97".to_owned(), true));
    assert!(matches!(found[1], Err(StoreError::Unreadable(_))), "{:?}", found[1]);
    assert_eq!(told(&found[2]), (5, "e=101".to_owned(), false));
}

#[tokio::test]
async fn a_session_beside_a_pool_outlives_it() {
    let database = Database::new().await;
    let pool = database.pool();
    let mut session = satchel_store::Session::beside(&pool);
    pool.close().await;
    assert!(!session.is_connected());
    assert_eq!(pages(&mut session, &[page_of("nobody", None, 1)]).await.unwrap().len(), 1);
    assert!(session.is_connected());
}
