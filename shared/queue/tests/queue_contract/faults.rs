//! What only Redis can do.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use satchel_model::ids::{JobId, Shard};
use satchel_queue::{Claim, QueueError, open};

use crate::ground::{Ground, Servers};
use crate::submit::{all, delayed, enqueue, finish, high, ids, installation, key, keyed, normal, players, shards};

/// How long a read waits that is to look again soon, in milliseconds.
const SHORT_BLOCK_MS: u32 = 200;
const BLOCK_MS: u32 = 20_000;

pub(crate) async fn a_stream_that_is_none_does_not_hold_up_the_others(ground: &mut Ground) {
    let queue = ground.fresh().await;
    let (_, users) = players(1);
    let redis = ground.on_redis();
    redis.run_everywhere(&["SET", "satchel:{s00}:high", "none"]).await;
    let sent = enqueue(&queue, &[normal(&users[0])]).await;
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    assert_eq!(ids(&entries), sent);
    finish(&mut consumer, &entries).await;
    redis.run_everywhere(&["DEL", "satchel:{s00}:high"]).await;
}

pub(crate) async fn a_delayed_jobs_record_outlives_its_delay(ground: &mut Ground) {
    let queue = ground.fresh().await;
    let (_, users) = players(1);
    let sent = enqueue(&queue, &[delayed(keyed(&users[0], "k"), Utc::now() + TimeDelta::days(60))]).await;
    let redis = ground.on_redis();
    let key = format!("satchel:{{{}}}:pending:{}", shards().of_job(sent[0]), sent[0]);
    let ttl_seconds: u64 =
        redis::from_redis_value(redis.run_everywhere(&["TTL", &key]).await.remove(0).unwrap()).unwrap();
    assert!(ttl_seconds > 89 * 24 * 60 * 60, "{ttl_seconds}");
    redis.run_everywhere(&["FLUSHALL"]).await;
}

pub(crate) async fn a_record_of_a_lost_entry_keeps_nobody_from_queueing_the_job_again(ground: &mut Ground) {
    let queue = ground.fresh().await;
    let (shard, users) = players(1);
    let job = keyed(&users[0], "k");
    let submit = async || queue.submit(&key(), &[&job]).await.unwrap().remove(0).unwrap();
    assert_eq!(submit().await, Claim::New);
    assert!(queue.pending(job.job_id).await.unwrap().is_some());
    ground.on_redis().run_everywhere(&["DEL", &format!("satchel:{{{shard}}}:jobs")]).await;
    assert_eq!(queue.pending(job.job_id).await.unwrap(), None, "what is lost does not wait");
    assert_eq!(submit().await, Claim::Same);
    assert!(matches!(submit().await, Claim::Queued { .. }));
    assert!(queue.pending(job.job_id).await.unwrap().is_some());
    let record = format!("satchel:{{{shard}}}:pending:{}", job.job_id);
    ground.on_redis().run_everywhere(&["SET", &record, "1-1|{\"payloadHash\":\"nonsense"]).await;
    assert_eq!(submit().await, Claim::Other, "nothing was queued, so that nothing else may be said");
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    assert_eq!(ids(&entries), [job.job_id]);
    finish(&mut consumer, &entries).await;
}

pub(crate) async fn a_made_up_id_is_not_looked_for_without_end(ground: &mut Ground) {
    let queue = ground.fresh().await;
    let (_, users) = players(1);
    let jobs: Vec<_> = (0..5_000).map(|_| normal(&users[0])).collect();
    enqueue(&queue, &jobs).await;
    let early = uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 1_700_000_000, 0));
    let early = JobId::placed(early, &users[0]);
    for _ in 0..2 {
        assert!(matches!(queue.pending(early).await, Err(QueueError::Refused(_))));
    }
    ground.on_redis().run_everywhere(&["FLUSHALL"]).await;
}

/// Before Redis 7.2 a reader that waits is woken with one stream alone.
pub(crate) async fn a_high_job_that_came_while_the_reader_waited_keeps_its_place(ground: &mut Ground) {
    let queue = ground.fresh().await;
    let (_, users) = players(1);
    for is_delayed in [false, true].repeat(5) {
        let mut consumer = queue.consumer(BLOCK_MS).unwrap();
        let reading = tokio::spawn(async move {
            // What is delayed while it waits, it sees when it looks again.
            loop {
                let entries = consumer.read(&all(), 100, SHORT_BLOCK_MS).await.unwrap();
                if !entries.is_empty() {
                    return (consumer, entries);
                }
            }
        });
        wait_for_a_blocked_reader(ground).await;
        let due = Utc::now() + TimeDelta::milliseconds(50);
        let jobs = [normal(&users[0]), high(&users[0]), normal(&users[0]), high(&users[0])];
        let jobs = if is_delayed { jobs.map(|job| delayed(job, due)) } else { jobs };
        let sent = enqueue(&queue, &jobs).await;
        let (mut consumer, mut entries) = reading.await.unwrap();
        finish(&mut consumer, &entries).await;
        while entries.len() < sent.len() {
            let more = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
            finish(&mut consumer, &more).await;
            entries.extend(more);
        }
        assert_eq!(ids(&entries), sent);
    }
}

async fn wait_for_a_blocked_reader(ground: &mut Ground) {
    loop {
        let info = ground.on_redis().run_everywhere(&["INFO", "clients"]).await.remove(0).unwrap();
        if redis::from_redis_value::<String>(info).unwrap().contains("blocked_clients:1") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(crate) async fn a_slot_that_moves_is_followed(ground: &mut Ground) {
    let queue = ground.fresh().await;
    let (shard, users) = players(1);
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    // As often as there are connections, so that each of them has learnt where the shard is.
    for _ in 0..4 {
        let sent = enqueue(&queue, &[normal(&users[0])]).await;
        let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
        assert_eq!(ids(&entries), sent);
        finish(&mut consumer, &entries).await;
    }
    give_away(ground, shard).await;
    let sent = enqueue(&queue, &[high(&users[0]), normal(&users[0]), high(&users[0])]).await;
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    assert_eq!(ids(&entries), sent);
    finish(&mut consumer, &entries).await;
}

/// Gives an empty shard's slot to another node (Redis manual, "CLUSTER SETSLOT").
async fn give_away(ground: &mut Ground, shard: Shard) {
    let redis = ground.on_redis();
    redis.run_everywhere(&["FLUSHALL"]).await;
    let key = format!("satchel:{{{shard}}}:jobs");
    let mut slots = redis.run_everywhere(&["CLUSTER", "KEYSLOT", &key]).await.into_iter();
    let slot: u16 = redis::from_redis_value(slots.next().unwrap().unwrap()).unwrap();
    let names = redis.run_everywhere(&["CLUSTER", "MYID"]).await.into_iter();
    let names: Vec<String> = names.map(|name| redis::from_redis_value(name.unwrap()).unwrap()).collect();
    let owners = redis.run_everywhere(&["EXISTS", &key]).await;
    let owner = owners.iter().position(Result::is_ok).unwrap();
    let other = (owner + 1) % names.len();
    let slot = slot.to_string();
    for (node, state, name) in
        [(other, "IMPORTING", owner), (owner, "MIGRATING", other), (other, "NODE", other), (owner, "NODE", other)]
    {
        redis.run_on(node, &["CLUSTER", "SETSLOT", &slot, state, &names[name]]).await.unwrap();
    }
    let owners = redis.run_everywhere(&["EXISTS", &key]).await;
    assert_eq!(owners.iter().position(Result::is_ok), Some(other));
}

pub(crate) async fn a_master_that_comes_back_goes_on(ground: &mut Ground) {
    let queue = ground.fresh().await;
    let (_, users) = players(1);
    let sent = enqueue(&queue, &[normal(&users[0]), high(&users[0])]).await;
    let Servers::Cluster(cluster) = &mut ground.on_redis().servers else { unreachable!() };
    for node in cluster.nodes() {
        node.kill();
    }
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    assert!(matches!(consumer.read(&all(), 10, 1).await, Err(QueueError::Unavailable(_))));
    // A program that is started meanwhile waits as well.
    let late = open(&ground.on_redis().config(), &installation()).unwrap();
    assert!(matches!(late.depths(&all()).await, Err(QueueError::Unavailable(_))));
    let Servers::Cluster(cluster) = &mut ground.on_redis().servers else { unreachable!() };
    for node in cluster.nodes() {
        node.restart().unwrap();
    }
    let entries = loop {
        consumer.start_over();
        match consumer.read(&all(), 10, BLOCK_MS).await {
            Ok(entries) if !entries.is_empty() => break entries,
            answer => {
                assert!(matches!(answer, Ok(_) | Err(QueueError::Unavailable(_))), "{answer:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    assert_eq!(ids(&entries), sent);
    while late.depths(&all()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    finish(&mut consumer, &entries).await;
}
