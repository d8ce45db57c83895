//! Delayed jobs.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use satchel_shared::domain::{JobId, Priority};
use satchel_shared::queue::{Consumer, Depth, Entry, Queue};

use crate::submit::{all, delayed, enqueue, finish, high, ids, normal, players};

const BLOCK_MS: u32 = 20_000;
/// How long to wait for entries between two looks at what is due.
const LOOK_MS: u32 = 5;

/// Promotes what is due until this job can be read, and gives all that can be read then.
async fn promoted(queue: &Arc<dyn Queue>, consumer: &mut Box<dyn Consumer>, job_id: JobId) -> Vec<Entry> {
    loop {
        queue.promote(&all(), 100).await.unwrap();
        let entries = consumer.read(&all(), 100, LOOK_MS).await.unwrap();
        if ids(&entries).contains(&job_id) {
            return entries;
        }
    }
}

async fn depth(queue: &Arc<dyn Queue>) -> Depth {
    queue.depths(&[players(0).0]).await.unwrap()[0]
}

/// A slow machine may be late: what must not be there yet is asked for only while its time has not come.
pub(crate) async fn a_delayed_job_joins_when_it_is_due(queue: Arc<dyn Queue>) {
    let (_, users) = players(2);
    let [a, b] = [&users[0], &users[1]];
    let now = Utc::now();
    let (soon_due, far_due) = (now + TimeDelta::milliseconds(1_500), now + TimeDelta::milliseconds(3_000));
    let (far, soon) = (delayed(normal(a), far_due), delayed(high(a), soon_due));
    let past = delayed(normal(a), now - TimeDelta::days(1));
    // The same job a second time is the same job.
    let sent = enqueue(&queue, &[far.clone(), soon.clone(), past, normal(b), normal(a), soon.clone(), far]).await;
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let (entries, depths) = (consumer.read(&all(), 100, BLOCK_MS).await.unwrap(), depth(&queue).await);
    if Utc::now() < soon_due {
        assert_eq!(ids(&entries), sent[2..5]);
        assert_eq!((depths.waiting, depths.delayed), (3, 2));
        assert!(queue.pending(sent[0]).await.unwrap().is_some());
    }
    // It is one of the others now, behind those of its player that came while it was not due.
    let entries = promoted(&queue, &mut consumer, sent[1]).await;
    assert!(Utc::now() >= soon_due);
    if Utc::now() < far_due {
        assert_eq!(ids(&entries), [sent[2], sent[4], sent[1], sent[3]]);
        assert_eq!(entries[2].class, Priority::High);
    }
    finish(&mut consumer, &entries).await;
    // Queued once more when it is due, as a journal would: at once.
    let mut due = soon;
    due.journaled = true;
    enqueue(&queue, &[due]).await;
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    assert_eq!(ids(&entries)[0], sent[1]);
    finish(&mut consumer, &entries).await;
    if !ids(&entries).contains(&sent[0]) {
        let entries = promoted(&queue, &mut consumer, sent[0]).await;
        assert!(Utc::now() >= far_due);
        assert_eq!(ids(&entries), [sent[0]]);
        finish(&mut consumer, &entries).await;
    }
    assert_eq!((depth(&queue).await.waiting, depth(&queue).await.delayed), (0, 0));
}

pub(crate) async fn jobs_that_are_due_together_come_as_they_were_accepted(queue: Arc<dyn Queue>) {
    let (_, users) = players(2);
    let due = Utc::now() + TimeDelta::milliseconds(2_000);
    let jobs: Vec<_> = (0..12)
        .map(|number| delayed(if number % 4 == 1 { high(&users[0]) } else { normal(&users[0]) }, due))
        .chain([delayed(normal(&users[1]), due - TimeDelta::milliseconds(1))])
        .collect();
    let sent = enqueue(&queue, &jobs).await;
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let mut entries = Vec::new();
    while entries.len() < sent.len() {
        queue.promote(&all(), 100).await.unwrap();
        entries = consumer.read(&all(), 100, LOOK_MS).await.unwrap();
    }
    let of_first: Vec<_> = ids(&entries).into_iter().filter(|job_id| *job_id != sent[12]).collect();
    assert_eq!((of_first, entries.len()), (sent[..12].to_vec(), 13));
    finish(&mut consumer, &entries).await;
}
