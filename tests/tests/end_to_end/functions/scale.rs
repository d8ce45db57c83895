//! Many events, and limits.

use std::time::Duration;

use satchel_testkit::job::reward;
use satchel_testkit::{Inbox, Setup, soak};
use satchel_tests::invariants;
use serde_json::{Value, json};

use super::{all_ended, event, start};

#[tokio::test]
async fn no_more_runs_go_on_at_once_than_the_function_and_the_key_allow() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new().workers(2), &inbox).await;
    satchel.settled(2).await;
    inbox.delay(Duration::from_millis(50));
    let users = ["u1", "u2", "u3", "u4", "u5"];
    let events: Vec<Value> = (0..40).map(|n| event(&format!("e{n}"), "test/narrowed", users[n % 5])).collect();
    satchel.game().tell(&json!(events)).await.expect(202);
    all_ended(&satchel, 40).await;
    let (of_one, of_all) = inbox.most_at_once();
    assert!((1..=2).contains(&of_one) && (2..=4).contains(&of_all), "{of_one} of one user, {of_all} of all");
    assert_eq!(inbox.of("attempt").len(), 40);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn many_events_reach_three_functions_and_none_is_lost_however_long() {
    let arrays = soak::rounds(1, 10);
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new().workers(2), &inbox).await;
    let users: Vec<String> = (0..500).map(|n| format!("u{n}")).collect();
    for _ in 0..arrays {
        let jobs: Vec<Value> = users.iter().chain(&users).map(|user| reward(user, json!(["arrow"]))).collect();
        satchel.game().submit(&json!(jobs)).await.expect(202);
    }
    let events = arrays * 2 * users.len();
    all_ended(&satchel, i64::try_from(3 * events).expect("few")).await;
    let each = "SELECT string_agg(function_id || ' ' || runs, ', ' ORDER BY function_id)
                FROM (SELECT function_id, count(DISTINCT (shard, event_seq)) AS runs FROM function_runs
                      WHERE status = 'succeeded' GROUP BY function_id) AS of_function";
    assert_eq!(
        satchel.database.owner.run(each),
        format!("item-rewarded-first {events}, item-rewarded-second {events}, item-rewarded-third {events}")
    );
    invariants::check(&satchel).await;
}
