//! Receivers that are slow, which is not failing.

use std::time::Duration;

use reqwest::Method;
use satchel_testkit::job::reward;
use satchel_testkit::receiver::{Receiver, Reply};
use satchel_testkit::wait;
use satchel_tests::invariants;
use serde_json::{Value, json};

use super::{add, operate, start};

/// Slow endpoints: with four deliveries each they would fill more than a worker once had room for.
const SLOW: usize = 9;
/// Events for each.
const EVENTS: usize = 40;
/// Events for the fast one: among slow ones in shared room it would get some twenty in a minute.
const FAST_EVENTS: usize = 100;

#[tokio::test]
async fn slow_receivers_take_no_room_from_a_fast_one() {
    let satchel = start().await;
    let (mut slow, mut endpoints) = (Vec::new(), Vec::new());
    for _ in 0..SLOW {
        let receiver = Receiver::start(Reply::Late(Duration::from_secs(12))).await;
        endpoints.push(add(&satchel, &receiver.url(), &["item/rewarded"]).await);
        slow.push(receiver);
    }
    let rewards = |user: &str, count: usize| -> Vec<Value> {
        (0..count).map(|n| reward(&format!("{user}{n}"), json!(["gold"]))).collect()
    };
    satchel.game().submit(&json!(rewards("s", EVENTS))).await.expect(202);
    wait::until_true("each slow one is busy", || slow.iter().all(|receiver| receiver.received().len() >= 3)).await;
    let fast = Receiver::start(Reply::Status(200)).await;
    add(&satchel, &fast.url(), &["item/rewarded"]).await;
    satchel.game().submit(&json!(rewards("f", FAST_EVENTS))).await.expect(202);
    fast.gets(FAST_EVENTS).await;
    let waiting = "SELECT count(DISTINCT target) FROM function_runs WHERE finished_at IS NULL AND status <> 'running'";
    assert!(
        satchel.database.owner.number(waiting) >= i64::try_from(SLOW).expect("few"),
        "the slow ones are still busy"
    );
    for endpoint in &endpoints {
        operate(&satchel, Method::DELETE, &format!("/{}", endpoint.id), None).await.expect(204);
    }
    invariants::check(&satchel).await;
}
