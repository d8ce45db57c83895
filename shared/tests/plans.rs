//! Hot queries find their rows by key, also on connections that planned them when the tables were empty.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use chrono::Utc;
use satchel_private::{PostgresOptions, PrivatePostgres, SecretString};
use satchel_shared::domain::{Holding, ItemId, JobId, Shard, UserId};
use satchel_shared::store::ledger::{Filter, Order};
use satchel_shared::store::{Pool, PoolConfig, Session, inventory, jobs, leases, ledger, migrate, users};
use uuid::Uuid;

/// Postgres keeps a plan after five runs (its manual, PREPARE); the driver may plan once more.
const RUNS: usize = 8;

/// Enough rows that reading a whole table would be the dearer plan for ever after.
const GROW: &str = "
    INSERT INTO users SELECT 'u' || n, 1, decode(repeat('00', 32), 'hex') FROM generate_series(1, 20000) n
        ON CONFLICT DO NOTHING;
    INSERT INTO inventory SELECT 'u' || n, 'gold', 1, 1, 0, now(), NULL, now() FROM generate_series(1, 20000) n
        ON CONFLICT DO NOTHING;
    INSERT INTO jobs SELECT 'u' || n, gen_random_uuid(), 't', decode(repeat('00', 32), 'hex'), 'applied', '{}', 'a', 'r', 1,
        now(), now() FROM generate_series(1, 20000) n;
    INSERT INTO ledger SELECT 'u1', n, gen_random_uuid(), 'gold', 1, n, 't', 'a', NULL, 'r', NULL, 1, now(),
        decode(repeat('00', 32), 'hex') FROM generate_series(1, 20000) n;
";

const WHOLE_TABLE_READS: &str = "
    SELECT COALESCE(string_agg(relname || ' ' || seq_scan, ', ' ORDER BY relname), '')
    FROM pg_stat_user_tables
    WHERE relname IN ('users', 'inventory', 'jobs', 'ledger') AND seq_scan > 0";

fn config(url: SecretString) -> PoolConfig {
    PoolConfig {
        url,
        role: Some("satchel_app".to_owned()),
        application_name: "plans",
        max_connections: 1,
        acquire_timeout_ms: 5_000,
        statement_timeout_ms: 30_000,
    }
}

async fn what_a_worker_asks(session: &mut Session, worker_id: Uuid) {
    let (user, item) = (UserId::parse("u1").unwrap(), ItemId::parse("gold").unwrap());
    leases::renew(session, worker_id, 60_000).await.unwrap();
    leases::acquire(session, worker_id, &[Shard::new(0)]).await.unwrap();
    let held = leases::owned(session, worker_id).await.unwrap();
    let mut tx = session.begin().await.unwrap();
    assert!(leases::fence(&mut tx, worker_id, &held).await.unwrap());
    let heads = users::lock(&mut tx, &[&user]).await.unwrap();
    jobs::find_decided(&mut tx, &[JobId::random()]).await.unwrap();
    inventory::load(&mut tx, &[(&user, &item)]).await.unwrap();
    let holding = Holding { quantity: 1, granted_total: 1, used_total: 0 };
    let written = inventory::Written { user_id: &user, item_id: &item, holding, granted: true, used: false };
    inventory::write(&mut tx, &[written], Utc::now()).await.unwrap();
    users::advance(&mut tx, &[(&user, heads[&user])]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn what_the_api_asks(pool: &Pool) {
    let user = UserId::parse("u1").unwrap();
    jobs::find_many(pool, &[JobId::random()]).await.unwrap();
    inventory::page(pool, &user, None, 50).await.unwrap();
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let filter = Filter { order, limit: 50, after_seq: Some(10_000), ..Filter::default() };
        ledger::page(pool, &user, &filter).await.unwrap();
    }
}

#[tokio::test]
async fn no_hot_query_reads_a_whole_table_even_if_it_was_planned_on_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let postgres =
        PrivatePostgres::start(&PostgresOptions { shared_buffers_mib: 32, ..PostgresOptions::new(dir.path()) });
    let postgres = postgres.unwrap();
    migrate(&postgres.owner_url(), None, None).await.unwrap();
    let worker_id = Uuid::now_v7();
    let mut session = Session::new(&config(postgres.owner_url())).unwrap();
    let pool = Pool::new(&config(postgres.owner_url())).unwrap();
    for _ in 0..RUNS {
        what_a_worker_asks(&mut session, worker_id).await;
        what_the_api_asks(&pool).await;
    }
    // No ANALYZE: nothing else tells the planner that the tables have grown.
    postgres.psql("satchel", "ALTER SYSTEM SET autovacuum = off").unwrap();
    postgres.psql("satchel", "SELECT pg_reload_conf()").unwrap();
    postgres.psql("satchel", GROW).unwrap();
    postgres.psql("satchel", "SELECT pg_stat_reset()").unwrap();

    for _ in 0..RUNS {
        what_a_worker_asks(&mut session, worker_id).await;
        what_the_api_asks(&pool).await;
    }
    // Sessions hand in their counts when they end.
    session.close().await;
    pool.close().await;
    assert_eq!(postgres.psql("satchel", WHOLE_TABLE_READS).unwrap().trim(), "");
}
