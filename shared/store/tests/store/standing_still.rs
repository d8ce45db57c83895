//! What whoever has the application's login may write, and nothing stands still for it.

use std::time::Duration;

use satchel_model::ids::Shard;
use satchel_store::leases;
use satchel_store::stuck::{self, TransactionLimit};
use satchel_store::{
    Program,
    rules::{self, Patience},
    stats,
};
use uuid::Uuid;

use crate::database::Database;

const SHARD: Shard = Shard::new(1);
/// Longer than any of these tests takes.
const TTL_MS: u32 = 60_000;

#[tokio::test]
async fn an_epoch_has_a_bound_and_a_shard_at_it_is_taken_all_the_same() {
    let database = Database::new().await;
    let mut session = database.session();
    let refused = database.refusal("UPDATE shard_leases SET epoch = 9223372036854775807");
    assert!(refused.contains("check constraint"), "{refused}");
    database.psql("UPDATE shard_leases SET epoch = 4611686018427387904 WHERE shard = 1");
    let worker_id = Uuid::now_v7();
    leases::renew(&mut session, worker_id, TTL_MS).await.unwrap();
    let taken = leases::acquire(&mut session, worker_id, &[Shard::new(0), SHARD]).await.unwrap();
    let mut epochs: Vec<_> = taken.iter().map(|lease| (lease.shard, lease.epoch)).collect();
    epochs.sort_unstable();
    assert_eq!(epochs, [(Shard::new(0), 1), (SHARD, 1)]);
}

#[tokio::test]
async fn a_worker_that_claims_to_live_for_longer_than_any_may_is_none() {
    let database = Database::new().await;
    let (mut session, pool) = (database.session(), database.pool());
    let (ghost, worker_id) = (Uuid::now_v7(), Uuid::now_v7());
    database.psql(&format!(
        "SET ROLE satchel_worker;
         INSERT INTO workers (worker_id, expires_at) VALUES ('{ghost}', now() + interval '1 year');
         UPDATE shard_leases SET owner = '{ghost}'"
    ));
    assert!(leases::live_workers(&mut session).await.unwrap().is_empty());
    assert_eq!(leases::without_owner(&pool).await.unwrap(), 4);
    assert!(stats::stats(&pool).await.unwrap().shards.iter().all(|shard| shard.owner.is_none()));
    assert_eq!(leases::renew(&mut session, worker_id, TTL_MS).await.unwrap(), [ghost]);
    assert_eq!(leases::live_workers(&mut session).await.unwrap(), [worker_id]);
    assert_eq!(leases::acquire(&mut session, worker_id, &[SHARD]).await.unwrap().len(), 1);
    assert_eq!(leases::without_owner(&pool).await.unwrap(), 3);
    assert!(leases::renew(&mut session, worker_id, TTL_MS).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_worker_that_spoke_before_the_clock_was_set_back_is_not_waited_for() {
    let database = Database::new().await;
    let (mut session, pool) = (database.session(), database.pool());
    let (dead, worker_id) = (Uuid::now_v7(), Uuid::now_v7());
    leases::renew(&mut session, dead, TTL_MS).await.unwrap();
    assert_eq!(leases::acquire(&mut session, dead, &[SHARD]).await.unwrap().len(), 1);
    assert!(leases::acquire(&mut session, worker_id, &[SHARD]).await.unwrap().is_empty());
    // As it is when the clock is set back by two minutes.
    database.psql("UPDATE workers SET expires_at = expires_at + interval '2 minutes', alive_since = alive_since + interval '2 minutes'");
    assert!(leases::live_workers(&mut session).await.unwrap().is_empty());
    assert_eq!(leases::without_owner(&pool).await.unwrap(), 4);
    assert!(leases::renew(&mut session, worker_id, TTL_MS).await.unwrap().is_empty(), "that is no ghost");
    assert_eq!(leases::acquire(&mut session, worker_id, &[SHARD]).await.unwrap().len(), 1);
    // One that lives says so, and has been alive no longer than until now.
    leases::renew(&mut session, dead, TTL_MS).await.unwrap();
    assert_eq!(leases::live_workers(&mut session).await.unwrap(), [dead, worker_id]);
    assert_eq!(database.psql("SELECT count(*) FROM workers WHERE alive_since > clock_timestamp()"), "0");
    for ttl_ms in [0, 900_001] {
        let refused = database.refusal(&format!("UPDATE workers SET ttl_ms = {ttl_ms}"));
        assert!(refused.contains("check constraint"), "{refused}");
    }
}

#[tokio::test]
async fn a_catalogue_version_is_the_next_one_or_none() {
    let database = Database::new().await;
    let publish = |version: i64| {
        format!(
            "INSERT INTO catalogue_versions (version, document, published_by, request_id) VALUES ({version}, '{{}}', 'o', 'r')"
        )
    };
    for wrong in [0, 2, i64::MAX] {
        let refused = database.refusal(&publish(wrong));
        assert!(refused.contains("is not the next one"), "{refused}");
    }
    database.psql(&publish(1));
    database.psql(&publish(2));
    assert!(database.refusal(&publish(2)).contains("is not the next one"));
}

#[tokio::test]
async fn no_time_is_stored_that_programs_cannot_read() {
    let database = Database::new().await;
    for time in ["infinity", "-infinity", "290000-01-01"] {
        let refused = database
            .refusal(&format!("INSERT INTO workers (worker_id, expires_at) VALUES (gen_random_uuid(), '{time}')"));
        assert!(refused.contains("readable_times"), "{refused}");
    }
    // A migration that adds a time adds a check of it.
    let unchecked = "SELECT string_agg(table_name || '.' || column_name, ' ')
        FROM information_schema.columns
        JOIN information_schema.tables USING (table_schema, table_name)
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> '_sqlx_migrations'
          AND data_type = 'timestamp with time zone' AND column_name <> 'last_event_at'
          AND NOT EXISTS (
              SELECT FROM pg_constraint
              WHERE conrelid = table_name::regclass AND contype = 'c'
                AND pg_get_constraintdef(pg_constraint.oid) ~ ('\\m' || column_name || ' <= ''11000')
          )";
    assert_eq!(database.psql(unchecked), "");
}

#[tokio::test]
async fn a_session_that_holds_more_than_a_reader_for_too_long_is_ended_and_no_other() {
    let database = Database::new().await;
    let pool = database.workers_pool();
    let mut watcher = stuck::session(&database.config(Program::Worker)).unwrap();
    let (mut idle, mut writing) = (database.session(), database.session());
    leases::renew(&mut idle, Uuid::now_v7(), TTL_MS).await.unwrap();
    let batch = rules::begin(&mut writing, Patience::BATCH).await.unwrap();
    let old = TransactionLimit { limit_ms: 600_000 };
    assert!(stuck::end(&mut watcher, &old).await.unwrap().is_empty());
    tokio::time::sleep(Duration::from_millis(20)).await;
    let ended = stuck::end(&mut watcher, &TransactionLimit { limit_ms: 10 }).await.unwrap();
    assert_eq!(ended.iter().map(|stuck| stuck.application_name.as_str()).collect::<Vec<_>>(), ["store"]);
    assert!(batch.commit().await.is_err());
    leases::renew(&mut idle, Uuid::now_v7(), TTL_MS).await.unwrap();
    pool.ping().await.unwrap();
}
