//! Events' numbers: in the order of commits, without a gap.

use chrono::Utc;
use satchel_model::events::{EventType, ItemRewarded};
use satchel_model::ids::{JobId, Shard, UserId};
use satchel_model::records::NewEvent;
use satchel_store::Session;
use satchel_store::functions::dispatch;
use satchel_store::progress::{self, Progress};

use crate::database::Database;

const SHARD: Shard = Shard::new(1);

/// Tells of an event about a user in a transaction of its own.
async fn tell(mut session: Session, user: &str) {
    let user_id = UserId::parse(user).unwrap();
    let event = NewEvent::of_job(SHARD, &user_id, JobId::from(uuid::Uuid::now_v7()), 0, ItemRewarded::of_record());
    let mut tx = session.begin().await.unwrap();
    progress::write(&mut tx, Progress { events: &[event], ..Progress::none(Utc::now()) }).await.unwrap();
    tx.commit().await.unwrap();
}

/// How many events of the shard there are for functions.
async fn last(session: &mut Session) -> i64 {
    dispatch::undispatched(session, &[SHARD], 1).await.unwrap().first().map_or(0, |shard| shard.last)
}

#[tokio::test]
async fn who_has_read_up_to_a_number_has_missed_nothing_however_transactions_overlap() {
    let database = Database::new().await;
    let (mut first, mut reader) = (database.session(), database.session());
    for (is_committed, expected) in [(false, "1 u2"), (true, "1 u2, 2 u1, 3 u2")] {
        let user_id = UserId::parse("u1").unwrap();
        let event = NewEvent::of_job(SHARD, &user_id, JobId::from(uuid::Uuid::now_v7()), 0, ItemRewarded::of_record());
        let mut tx = first.begin().await.unwrap();
        progress::write(&mut tx, Progress { events: &[event], ..Progress::none(Utc::now()) }).await.unwrap();
        let before = last(&mut reader).await;
        let second = database.session();
        let later = tokio::spawn(async move { tell(second, "u2").await });
        // It began later and has nothing else to wait for; still it cannot be told of before.
        database.someone_waits().await;
        assert_eq!(last(&mut reader).await, before, "nobody sees a number whose event may not come");
        if is_committed {
            tx.commit().await.unwrap();
        } else {
            drop(tx);
            first.reset();
        }
        later.await.unwrap();
        let told = "SELECT string_agg(seq || ' ' || user_id, ', ' ORDER BY seq) FROM events";
        assert_eq!(database.psql(told), expected, "no gap, in the order of commits");
    }
    assert_eq!(last(&mut reader).await, 3);
}
