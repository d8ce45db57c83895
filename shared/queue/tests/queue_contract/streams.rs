//! Reading and finishing.

use std::sync::Arc;

use satchel_model::operations::Priority;
use satchel_queue::{Entry, Place, Queue};

use crate::submit::{all, enqueue, finish, high, ids, normal, opened, players};

const BLOCK_MS: u32 = 20_000;

pub(crate) async fn jobs_come_in_order_and_stay_until_they_are_finished(queue: Arc<dyn Queue>) {
    let (shard, users) = players(2);
    let jobs = [&users[0], &users[1], &users[0], &users[1], &users[0]].map(normal);
    let job_ids = enqueue(&queue, &jobs).await;
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    assert_eq!(ids(&entries), job_ids);
    assert_eq!(entries.iter().map(opened).collect::<Vec<_>>(), jobs);
    assert!(entries.iter().all(|entry| entry.shard == shard && entry.place == Place::Stream(Priority::Normal)));
    // Whoever reads next finds the same; what is finished is gone.
    let mut other = queue.consumer(BLOCK_MS).unwrap();
    assert_eq!(other.read(&all(), 100, BLOCK_MS).await.unwrap(), entries);
    finish(&mut other, &entries[..2]).await;
    assert_eq!(ids(&consumer.read(&[shard], 2, BLOCK_MS).await.unwrap()), job_ids[2..4]);
    finish(&mut consumer, &entries).await;
    assert!(consumer.read(&all(), 100, 1).await.unwrap().is_empty());
    for job_id in job_ids {
        assert_eq!(queue.pending(job_id).await.unwrap(), None);
    }
}

pub(crate) async fn who_waits_is_woken_by_the_first_job(queue: Arc<dyn Queue>) {
    let (_, users) = players(1);
    for envelope in [normal(&users[0]), high(&users[0])] {
        let mut consumer = queue.consumer(BLOCK_MS).unwrap();
        let reading = tokio::spawn(async move {
            let entries = consumer.read(&all(), 10, BLOCK_MS).await.unwrap();
            (consumer, entries)
        });
        tokio::task::yield_now().await;
        let job_ids = enqueue(&queue, &[envelope]).await;
        let (mut consumer, entries) = reading.await.unwrap();
        assert_eq!(ids(&entries), job_ids);
        finish(&mut consumer, &entries).await;
    }
}

pub(crate) async fn one_busy_shard_fills_a_batch(queue: Arc<dyn Queue>) {
    let (_, users) = players(1);
    let jobs: Vec<_> = (0..100).map(|_| normal(&users[0])).collect();
    let job_ids = enqueue(&queue, &jobs).await;
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let entries = consumer.read(&all(), 80, BLOCK_MS).await.unwrap();
    assert_eq!(ids(&entries), job_ids[..80]);
    finish(&mut consumer, &entries).await;
    let entries = consumer.read(&all(), 1, BLOCK_MS).await.unwrap();
    assert_eq!(ids(&entries), job_ids[80..81]);
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    assert_eq!(ids(&entries), job_ids[80..]);
    finish(&mut consumer, &entries).await;
}

pub(crate) async fn depths_and_heads_tell_what_waits(queue: Arc<dyn Queue>) {
    let (shard, users) = players(2);
    let jobs = [normal(&users[0]), normal(&users[1]), high(&users[1]), high(&users[0])];
    let job_ids = enqueue(&queue, &jobs).await;
    let depths = queue.depths(&all()).await.unwrap();
    assert_eq!(depths.iter().map(|depth| depth.shard).collect::<Vec<_>>(), all());
    for depth in depths {
        let waiting = if depth.shard == shard { 4 } else { 0 };
        assert_eq!((depth.waiting, depth.delayed), (waiting, 0));
        assert_eq!(depth.oldest_waiting_ms.is_some(), waiting > 0);
    }
    let heads = queue.heads(&all()).await.unwrap();
    assert_eq!(ids(&heads), [job_ids[2], job_ids[0]]);
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let entries: Vec<Entry> = consumer.read(&all(), 10, BLOCK_MS).await.unwrap();
    finish(&mut consumer, &entries).await;
    assert!(queue.heads(&all()).await.unwrap().is_empty());
}
