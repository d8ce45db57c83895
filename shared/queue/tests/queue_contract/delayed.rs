//! Delayed jobs.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use satchel_model::ids::JobId;
use satchel_queue::{Consumer, Depth, Entry, Place, Queue};

use crate::submit::{all, delayed, enqueue, finish, high, ids, key, normal, players};

const BLOCK_MS: u32 = 20_000;

/// Reads until this job is there, and gives all that can be read then.
async fn read_until(consumer: &mut Box<dyn Consumer>, job_id: JobId) -> Vec<Entry> {
    loop {
        let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
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
    // It is one of the others now, behind those of its player that came before it was due.
    let entries = read_until(&mut consumer, sent[1]).await;
    assert!(Utc::now() >= soon_due);
    if Utc::now() < far_due {
        assert_eq!(ids(&entries), [sent[2], sent[4], sent[1], sent[3]]);
        assert_eq!(entries[2].place, Place::Delayed);
    }
    finish(&mut consumer, &entries).await;
    // Sent once more when it is due: it is for now.
    let mut due = soon;
    due.journaled = true;
    enqueue(&queue, &[due]).await;
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    assert_eq!(ids(&entries)[0], sent[1]);
    finish(&mut consumer, &entries).await;
    if !ids(&entries).contains(&sent[0]) {
        let entries = read_until(&mut consumer, sent[0]).await;
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
        entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    }
    let of_first: Vec<_> = ids(&entries).into_iter().filter(|job_id| *job_id != sent[12]).collect();
    assert_eq!((of_first, entries.len()), (sent[..12].to_vec(), 13));
    finish(&mut consumer, &entries).await;
}

/// The moment counts, not when somebody looks: a job that came after another was due stays behind it.
pub(crate) async fn a_due_job_has_the_place_of_its_time_however_late_it_is_read(queue: Arc<dyn Queue>) {
    let (_, users) = players(2);
    let [a, b] = [&users[0], &users[1]];
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let mut rounds = 0;
    while rounds < 2 {
        let early = enqueue(&queue, &[normal(a)]).await[0];
        let due_at = Utc::now() + TimeDelta::milliseconds(250);
        let later = due_at + TimeDelta::milliseconds(3);
        let laid_aside = enqueue(&queue, &[delayed(normal(a), later), delayed(normal(a), due_at)]).await;
        // On a machine that was too slow to lay them aside before they are due, this says nothing.
        let is_in_time = Utc::now() < due_at;
        while Utc::now() < later + TimeDelta::milliseconds(2) {
            tokio::task::yield_now().await;
        }
        let after = enqueue(&queue, &[normal(a), high(a), normal(b)]).await;
        if !is_in_time {
            let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
            finish(&mut consumer, &entries).await;
            continue;
        }
        rounds += 1;
        let order = [early, laid_aside[1], laid_aside[0], after[0], after[1], after[2]];
        // In small portions and at once.
        let entries = consumer.read(&all(), 1, BLOCK_MS).await.unwrap();
        assert_eq!(ids(&entries), order[..1]);
        let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
        assert_eq!(ids(&entries), order);
        finish(&mut consumer, &entries).await;
    }
}

/// A job that the queue forgot comes again with its time, and so to its place.
pub(crate) async fn a_forgotten_job_has_the_place_of_its_time(queue: Arc<dyn Queue>) {
    let (_, users) = players(1);
    let now = Utc::now();
    let plain = enqueue(&queue, &[normal(&users[0])]).await[0];
    let ago = |milliseconds| delayed(normal(&users[0]), now - TimeDelta::milliseconds(milliseconds));
    let forgotten = [ago(20_000), ago(30_000), ago(30_000)];
    for restored in queue.restore(&key(), &forgotten).await.unwrap() {
        restored.unwrap();
    }
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    let [first, second, third] = [1, 2, 0].map(|index: usize| forgotten[index].job_id);
    assert_eq!(ids(&entries), [first, second, third, plain]);
    finish(&mut consumer, &entries).await;
}

pub(crate) async fn a_delayed_job_is_withdrawn(queue: Arc<dyn Queue>) {
    let (_, users) = players(1);
    let far = Utc::now() + TimeDelta::days(1);
    let sent = enqueue(&queue, &[delayed(normal(&users[0]), far), delayed(normal(&users[0]), far)]).await;
    for _ in 0..2 {
        queue.withdraw(&users[0], sent[0]).await.unwrap();
        assert_eq!(depth(&queue).await.delayed, 1);
    }
    assert!(queue.pending(sent[0]).await.unwrap().is_none() && queue.pending(sent[1]).await.unwrap().is_some());
    queue.withdraw(&users[0], sent[1]).await.unwrap();
}
