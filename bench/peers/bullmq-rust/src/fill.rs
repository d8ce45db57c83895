//! Fills the queue with the load of `service/load.mjs`: half rewards, half uses, of 10,000 users and 4 items.

use anyhow::Result;
use bullmq::BulkJob;
use uuid::Uuid;

use crate::job::{Item, Job};
use crate::queue;

const USERS: u32 = 10_000;
const ITEMS: [&str; 4] = ["gold", "potion", "arrow", "gem"];
const BATCH_JOBS: usize = 1_000;

pub(crate) async fn fill(total: usize) -> Result<()> {
    let queue = queue::open().await?;
    for first in (0..total).step_by(BATCH_JOBS) {
        let jobs = (first..total.min(first + BATCH_JOBS)).map(|n| {
            let job = job(n);
            BulkJob::new(job.type_name(), &job).job_id(Uuid::now_v7().to_string())
        });
        queue.add_bulk(jobs.collect()).await?;
    }
    queue.close().await;
    println!("filled");
    Ok(())
}

/// Rewards and uses by turns, of a user and an item drawn anew, so that neighbours seldom share a row.
fn job(n: usize) -> Job {
    let user_id = format!("u{}", fastrand::u32(..USERS));
    let item_id = fastrand::choice(ITEMS).unwrap_or_default().to_owned();
    if n.is_multiple_of(2) {
        Job::RewardInventoryItem { user_id, items: vec![Item { item_id, quantity: 1 }], reason: None }
    } else {
        Job::UseItem { user_id, item_id, quantity: 1 }
    }
}
