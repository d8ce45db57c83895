//! Times that say whether a queue has what it had.

use chrono::{TimeDelta, Utc};
use satchel_model::ids::Shard;
use satchel_queue::{Raise, Watermark};

use crate::ground::Ground;
use crate::submit::{all, delayed, enqueue, finish, normal, players};

pub(crate) async fn only_rise_where_they_are_what_they_must_be(ground: &mut Ground) {
    let queue = ground.fresh().await;
    let (shard, users) = players(1);
    let raise = async |at_least_ms: Option<i64>, to_ms: i64| -> Vec<Watermark> {
        let raises: Vec<_> = all().into_iter().map(|shard| Raise { shard, at_least_ms, to_ms }).collect();
        queue.raise_watermarks(&raises).await.unwrap()
    };
    let empty = |found_ms| {
        let watermark = |shard: Shard| Watermark { shard, found_ms, oldest_waiting_ms: None, has_delayed: false };
        all().into_iter().map(watermark).collect::<Vec<_>>()
    };
    assert_eq!(raise(Some(1), 5).await, empty(None));
    assert_eq!(raise(None, 10).await, empty(None), "what is less than it must be stays");
    assert_eq!(raise(Some(10), 20).await, empty(Some(10)));
    assert_eq!(raise(Some(21), 30).await, empty(Some(20)));
    assert_eq!(raise(Some(20), 15).await, empty(Some(20)), "it does not fall");
    let now_ms = 1_700_000_000_000;
    assert_eq!(raise(None, now_ms).await, empty(Some(20)));
    assert_eq!(raise(None, now_ms).await, empty(Some(now_ms)), "every digit is kept");

    enqueue(&queue, &[normal(&users[0])]).await;
    let later = delayed(normal(&users[0]), Utc::now() + TimeDelta::days(1));
    enqueue(&queue, std::slice::from_ref(&later)).await;
    let found = raise(None, now_ms).await;
    let busy = found.iter().find(|found| found.shard == shard).unwrap();
    assert!(busy.oldest_waiting_ms.is_some() && busy.has_delayed, "{busy:?}");
    assert_eq!(found.iter().filter(|found| found.oldest_waiting_ms.is_some() || found.has_delayed).count(), 1);
    let mut consumer = queue.consumer(1_000).unwrap();
    let entries = consumer.read(&all(), 10, 1_000).await.unwrap();
    finish(&mut consumer, &entries).await;
    queue.withdraw(&later.job.user_id, later.job_id).await.unwrap();
    assert_eq!(raise(None, now_ms).await, empty(Some(now_ms)));
}
