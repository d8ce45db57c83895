//! Events' numbers: in the order of commits, without a gap.

use chrono::Utc;
use satchel_model::events::{EventType, ItemRewarded};
use satchel_model::ids::{JobId, Shard, UserId};
use satchel_model::records::NewEvent;
use satchel_store::functions::dispatch;
use satchel_store::progress::{self, Progress};
use satchel_store::{Session, Tx, users};

use crate::database::Database;

const SHARD: Shard = Shard::new(1);

/// Tells of an event about a user in a transaction of its own.
async fn tell(mut session: Session, user: &str) {
    let mut tx = session.begin().await.unwrap();
    write(&mut tx, user).await;
    tx.commit().await.unwrap();
}

async fn write(tx: &mut Tx<'_>, user: &str) {
    let user = users::key(tx, &UserId::parse(user).unwrap(), SHARD).await.unwrap();
    let event = NewEvent::of_job(user, JobId::from(uuid::Uuid::now_v7()), 0, ItemRewarded::of_record());
    progress::write(tx, Progress { events: &[event], ..Progress::none(Utc::now()) }).await.unwrap();
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
        let mut tx = first.begin().await.unwrap();
        write(&mut tx, "u1").await;
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

#[tokio::test]
async fn the_first_event_since_a_moment_is_found_by_search() {
    let database = Database::new().await;
    let since = |shard: i64, hour: &str| {
        database.psql(&format!("SELECT first_event_since({shard}, '2026-01-01 {hour}:00:00+00')"))
    };
    // Without events: the next number.
    database.psql("UPDATE shard_counters SET events = 41 WHERE shard = 2");
    assert_eq!(since(2, "00"), "42");
    // From number 101 on: a batch of two each hour, but none at 5; those of other shards do not count.
    database.psql(
        "INSERT INTO event_batches (shard, seq, count, at, uids, job_ids, kinds, details)
         SELECT 1, 99 + 2 * row_number() OVER (ORDER BY hour), 2, '2026-01-01 00:00:00+00'::timestamptz + hour * interval '1 hour',
             '{1,1}', '{NULL,NULL}', '[[\"a/b\",1]]', ARRAY['{\"id\":\"x\"}', '{\"id\":\"y\"}']
         FROM generate_series(1, 10) AS hour WHERE hour <> 5;
         INSERT INTO event_batches (shard, seq, count, at, uids, job_ids, kinds, details)
         SELECT 3, n, 1, '2026-01-01 12:00:00+00', '{1}', '{NULL}', '[[\"a/b\",1]]', ARRAY['{\"id\":\"x\"}']
         FROM generate_series(1, 300) n;
         UPDATE shard_counters SET events = CASE shard WHEN 1 THEN 118 ELSE 300 END WHERE shard IN (1, 3)",
    );
    let expected =
        [("00", "101"), ("01", "101"), ("02", "103"), ("04", "107"), ("05", "109"), ("06", "109"), ("10", "117")];
    for (hour, seq) in expected {
        assert_eq!(since(1, hour), seq, "since {hour}");
    }
    assert_eq!(since(1, "11"), "119", "behind the last");
}
