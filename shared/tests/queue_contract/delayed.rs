//! Delayed jobs.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use satchel_shared::domain::Priority;
use satchel_shared::queue::{Depth, Queue};

use crate::submit::{all, delayed, enqueue, finish, high, ids, normal, players};

const BLOCK_MS: u32 = 20_000;

/// Looks until so many jobs were promoted.
async fn promote(queue: &Arc<dyn Queue>, count: usize) {
    let mut moved = 0;
    while moved < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
        moved += queue.promote(&all(), 100).await.unwrap();
    }
    assert_eq!(moved, count);
}

async fn depth(queue: &Arc<dyn Queue>) -> Depth {
    queue.depths(&[players(0).0]).await.unwrap()[0]
}

pub(crate) async fn a_delayed_job_joins_when_it_is_due(queue: Arc<dyn Queue>) {
    let (_, users) = players(2);
    let [a, b] = [&users[0], &users[1]];
    let now = Utc::now();
    let far = delayed(normal(a), now + TimeDelta::milliseconds(3_000));
    let soon = delayed(high(a), now + TimeDelta::milliseconds(1_500));
    let past = delayed(normal(a), now - TimeDelta::days(1));
    // The same job a second time is the same job.
    let sent = enqueue(&queue, &[far.clone(), soon.clone(), past, normal(b), normal(a), soon.clone(), far]).await;
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    assert_eq!(ids(&entries), sent[2..5]);
    assert_eq!((depth(&queue).await.waiting, depth(&queue).await.delayed), (3, 2));
    assert!(queue.pending(sent[0]).await.unwrap().is_some());
    promote(&queue, 1).await;
    // It is one of the others now, behind those of its player that came while it was not due.
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    assert_eq!(ids(&entries), [sent[2], sent[4], sent[1], sent[3]]);
    assert_eq!(entries[2].class, Priority::High);
    assert_eq!((depth(&queue).await.waiting, depth(&queue).await.delayed), (4, 1));
    finish(&mut consumer, &entries).await;
    // Queued once more when it is due, as a journal would: at once.
    let mut due = soon;
    due.journaled = true;
    enqueue(&queue, &[due]).await;
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    assert_eq!(ids(&entries), [sent[1]]);
    finish(&mut consumer, &entries).await;
    promote(&queue, 1).await;
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    assert_eq!(ids(&entries), [sent[0]]);
    finish(&mut consumer, &entries).await;
}

pub(crate) async fn jobs_that_are_due_together_come_as_they_were_accepted(queue: Arc<dyn Queue>) {
    let (_, users) = players(2);
    let due = Utc::now() + TimeDelta::milliseconds(1_000);
    let jobs: Vec<_> = (0..12)
        .map(|number| delayed(if number % 4 == 1 { high(&users[0]) } else { normal(&users[0]) }, due))
        .chain([delayed(normal(&users[1]), due - TimeDelta::milliseconds(1))])
        .collect();
    let sent = enqueue(&queue, &jobs).await;
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    promote(&queue, 13).await;
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    let of_first: Vec<_> = ids(&entries).into_iter().filter(|job_id| *job_id != sent[12]).collect();
    assert_eq!((of_first, entries.len()), (sent[..12].to_vec(), 13));
    finish(&mut consumer, &entries).await;
}
