//! What the APIs say of themselves.

use satchel_store::replicas::{self, Announcement, Others};
use uuid::Uuid;

use crate::database::Database;

#[tokio::test]
async fn an_api_hears_what_the_others_that_live_want_and_do() {
    let database = Database::new().await;
    let pool = database.pool();
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    let say = async |replica_id, wants_journal, journals| {
        replicas::announce(&pool, Announcement { replica_id, wants_journal, journals, ttl_ms: 60_000 }).await.unwrap()
    };
    let others = |want_journal, all_journal| Others { want_journal, all_journal };
    assert_eq!(say(first, false, false).await, others(false, true), "there is no other");
    assert_eq!(say(second, true, true).await, others(false, false));
    assert_eq!(say(first, false, true).await, others(true, true));
    assert_eq!(say(second, true, true).await, others(false, true));
    // One whose word has expired, or will only as long after as the clock was set back, is none.
    for when in ["- interval '2 minutes'", "+ interval '2 minutes'"] {
        database.psql(&format!("UPDATE api_replicas SET expires_at = clock_timestamp() {when} WHERE wants_journal"));
        assert_eq!(say(first, false, true).await, others(false, true));
        assert_eq!(say(second, true, true).await, others(false, true));
        assert_eq!(say(first, false, true).await, others(true, true));
    }
    database.psql("UPDATE api_replicas SET expires_at = clock_timestamp() + interval '2 hours' WHERE wants_journal");
    say(first, false, true).await;
    assert_eq!(database.psql("SELECT count(*) FROM api_replicas"), "1", "a ghost is forgotten");
    replicas::leave(&pool, first).await.unwrap();
    assert_eq!(database.psql("SELECT count(*) FROM api_replicas"), "0");
    let refused =
        database.refusal("INSERT INTO api_replicas VALUES (gen_random_uuid(), true, true, 60001, clock_timestamp())");
    assert!(refused.contains("check constraint"), "{refused}");
}
