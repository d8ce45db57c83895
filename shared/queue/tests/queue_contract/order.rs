//! Priority.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use satchel_model::ids::{JobId, UserId};
use satchel_queue::Queue;

use crate::submit::{all, enqueue, finish, high, ids, normal, opened, players};

const BLOCK_MS: u32 = 20_000;

pub(crate) async fn a_high_job_overtakes_other_players(queue: Arc<dyn Queue>) {
    let (_, users) = players(3);
    let [a, b, c] = [&users[0], &users[1], &users[2]];
    let jobs = [normal(a), normal(b), high(c), normal(b), high(b), normal(c)];
    let sent = enqueue(&queue, &jobs).await;
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    let order = [2, 1, 3, 4, 0, 5].map(|index| sent[index]);
    assert_eq!(ids(&entries), order);
    // In the smallest portions it is the same.
    for job_id in order {
        let entries = consumer.read(&all(), 1, BLOCK_MS).await.unwrap();
        assert_eq!(ids(&entries), [job_id]);
        finish(&mut consumer, &entries).await;
    }
}

pub(crate) async fn a_high_job_pulls_its_players_earlier_ones_through_a_long_backlog(queue: Arc<dyn Queue>) {
    let (_, users) = players(3);
    let [many, one, other] = [&users[0], &users[1], &users[2]];
    let mut jobs: Vec<_> = (0..5_000).map(|_| normal(many)).collect();
    jobs.insert(4_000, normal(one));
    jobs.insert(4_500, normal(one));
    jobs.extend([high(one), normal(one), high(one), high(other)]);
    let sent = enqueue(&queue, &jobs).await;
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let entries = consumer.read(&all(), 40, BLOCK_MS).await.unwrap();
    let first = [4_000, 4_500, 5_002, 5_003, 5_004, 5_005, 0, 1].map(|index| sent[index]);
    assert_eq!(ids(&entries)[..8], first);
    assert_eq!(entries.len(), 40);
    // What was pulled forward and is done does not come again, and what is new overtakes as well.
    finish(&mut consumer, &entries).await;
    let late = enqueue(&queue, &[normal(one), high(one)]).await;
    let entries = consumer.read(&all(), 40, BLOCK_MS).await.unwrap();
    assert_eq!(ids(&entries)[..3], [late[0], late[1], sent[34]]);
    loop {
        let entries = consumer.read(&all(), 2_000, 1).await.unwrap();
        if entries.is_empty() {
            break;
        }
        finish(&mut consumer, &entries).await;
    }
}

/// Small numbers without end (Marsaglia's xorshift), the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }
}

pub(crate) async fn random_jobs_keep_every_players_order(queue: Arc<dyn Queue>) {
    let (_, users) = players(3);
    for seed in 1..=4 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ seed);
        let mut promised: HashMap<UserId, VecDeque<JobId>> = HashMap::new();
        let mut consumer = queue.consumer(BLOCK_MS).unwrap();
        for _ in 0..60 {
            let jobs: Vec<_> = (0..dice.roll(4))
                .map(|_| {
                    let user = &users[dice.roll(users.len())];
                    if dice.roll(3) == 0 { high(user) } else { normal(user) }
                })
                .collect();
            for (envelope, job_id) in jobs.iter().zip(enqueue(&queue, &jobs).await) {
                promised.entry(envelope.job.user_id.clone()).or_default().push_back(job_id);
            }
            if dice.roll(20) == 0 {
                consumer.start_over();
            }
            let mut entries = consumer.read(&all(), 1 + dice.roll(6), 1).await.unwrap();
            entries.truncate(dice.roll(5));
            apply(
                &mut promised,
                &ids(&entries),
                &entries.iter().map(|entry| opened(entry).job.user_id).collect::<Vec<_>>(),
            );
            finish(&mut consumer, &entries).await;
        }
        while promised.values().any(|waiting| !waiting.is_empty()) {
            let entries = consumer.read(&all(), 3, BLOCK_MS).await.unwrap();
            apply(
                &mut promised,
                &ids(&entries),
                &entries.iter().map(|entry| opened(entry).job.user_id).collect::<Vec<_>>(),
            );
            finish(&mut consumer, &entries).await;
        }
    }
}

fn apply(promised: &mut HashMap<UserId, VecDeque<JobId>>, job_ids: &[JobId], users: &[UserId]) {
    for (job_id, user) in job_ids.iter().zip(users) {
        assert_eq!(promised.get_mut(user).unwrap().pop_front(), Some(*job_id), "out of {user}'s order");
    }
}
