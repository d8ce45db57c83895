//! Counters, reports and what the statistics say of shards and workers.

use chrono::Utc;
use satchel_model::ids::Shard;
use satchel_store::Pool;
use satchel_store::leases;
use satchel_store::progress::{self, Progress};
use satchel_store::stats::{self, ShardStats};
use uuid::Uuid;

use crate::database::{Database, SHARDS};
use crate::job::{counts, park, reward, shard, user};

async fn of(pool: &Pool, shard: Shard) -> ShardStats {
    let stats = stats::stats(pool).await.unwrap();
    assert_eq!(stats.shards.len(), usize::from(SHARDS));
    stats.shards.into_iter().find(|stats| stats.shard == shard).unwrap()
}

#[tokio::test]
async fn batches_count_what_they_decide_and_workers_report_what_they_do() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let (zero, one) = (Shard::new(0), Shard::new(1));
    let worker_id = Uuid::now_v7();
    leases::renew(&mut session, worker_id, 60_000).await.unwrap();
    leases::acquire(&mut session, worker_id, &[zero]).await.unwrap();
    stats::sample_rates(&mut session, &[zero, one]).await.unwrap();
    assert!(of(&pool, zero).await.per_second.abs() < f64::EPSILON);

    for _ in 0..2 {
        let mut tx = session.begin().await.unwrap();
        let counts = [counts(zero, 5, 1), counts(one, 0, 2)];
        progress::write(&mut tx, Progress { counts: &counts, ..Progress::none(Utc::now()) }).await.unwrap();
        tx.commit().await.unwrap();
    }
    database.psql("UPDATE shard_activity SET sampled_at = now() - interval '10 seconds'");
    stats::sample_rates(&mut session, &[zero, one]).await.unwrap();
    stats::report_active(&mut session, worker_id, &[(zero, 7), (one, 8)]).await.unwrap();

    let served = of(&pool, zero).await;
    assert_eq!((served.owner, served.epoch, served.active), (Some(worker_id), 1, 7));
    assert_eq!((served.applied, served.rejected), (10, 2));
    // 12 jobs in 10 seconds and the moment since.
    assert!(served.per_second > 0.0 && served.per_second <= 1.2, "{}", served.per_second);
    // What a worker said of a shard that nobody serves any more does not count.
    let unserved = of(&pool, one).await;
    assert_eq!((unserved.owner, unserved.active, unserved.rejected), (None, 0, 4));
    assert!(unserved.per_second.abs() < f64::EPSILON);
    let workers = stats::stats(&pool).await.unwrap().workers;
    assert_eq!(workers.iter().map(|worker| worker.worker_id).collect::<Vec<_>>(), [worker_id]);
    leases::leave(&mut session, worker_id).await.unwrap();
    assert_eq!(of(&pool, zero).await.owner, None);
    assert!(stats::stats(&pool).await.unwrap().workers.is_empty());
}

#[tokio::test]
async fn what_a_killed_worker_had_active_does_not_count_for_the_next_one() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let (zero, killed, next) = (Shard::new(0), Uuid::now_v7(), Uuid::now_v7());
    leases::renew(&mut session, killed, 60_000).await.unwrap();
    leases::acquire(&mut session, killed, &[zero]).await.unwrap();
    stats::report_active(&mut session, killed, &[(zero, 7)]).await.unwrap();
    assert_eq!(of(&pool, zero).await.active, 7);

    database.psql("UPDATE workers SET expires_at = now() - interval '1 second'");
    assert_eq!(of(&pool, zero).await.active, 0);
    leases::renew(&mut session, next, 60_000).await.unwrap();
    assert_eq!(leases::acquire(&mut session, next, &[zero]).await.unwrap().len(), 1);
    let now = of(&pool, zero).await;
    assert_eq!((now.owner, now.active), (Some(next), 0));
    // Nor does what it says when it comes back.
    stats::report_active(&mut session, killed, &[(zero, 9)]).await.unwrap();
    assert_eq!(of(&pool, zero).await.active, 0);
    stats::report_active(&mut session, next, &[(zero, 3)]).await.unwrap();
    assert_eq!(of(&pool, zero).await.active, 3);
}

#[tokio::test]
async fn parked_jobs_are_counted_by_shard() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    park(&mut session, &[&reward("u1", 1), &reward("u1", 2), &reward("u1", 3)], None).await;
    park(&mut session, &[&reward("u2", 1)], Some(0)).await;
    let (first, second) = (of(&pool, shard(&user("u1"))).await, of(&pool, shard(&user("u2"))).await);
    assert_eq!((first.parked, first.retrying, first.blocked, first.oldest_blocked_at.is_some()), (1, 0, 2, true));
    assert_eq!((second.parked, second.retrying, second.blocked, second.oldest_blocked_at), (0, 1, 0, None));
}
