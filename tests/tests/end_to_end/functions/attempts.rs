//! Attempts and steps: failing, sleeping, put off, submitting jobs.

use std::collections::HashSet;

use satchel_testkit::{Inbox, Setup};
use satchel_tests::invariants;
use serde_json::{Value, json};

use super::{all_ended, run, start, tell};

#[tokio::test]
async fn a_failed_attempt_is_followed_by_another_that_does_only_what_is_left() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new(), &inbox).await;
    inbox.answer("attempt", &[500, 503]);
    tell(&satchel, "e1", "test/flaked").await;
    let run = run(&satchel, "test-flaked-caller", &["succeeded"]).await;
    assert_eq!((&run["attempts"], &run["eventId"], &run["userId"]), (&json!(3), &json!("e1"), &json!("u1")));
    assert_eq!(run["failures"].as_array().map(Vec::len), Some(2), "{run}");
    assert!(run["failures"][0]["error"].as_str().is_some_and(|error| error.contains("500")), "{run}");
    assert_eq!((inbox.of("once").len(), inbox.of("attempt").len()), (1, 3));
    let path = format!("/api/v1/runs/{}", run["runId"].as_str().expect("an id"));
    let told = satchel.operator().get(&path).await.expect(200).json();
    assert_eq!((&told["steps"][0]["id"], &told["steps"][0]["result"]), (&json!("once"), &json!({})));
    assert_eq!((told["steps"].as_array().map(Vec::len), &told["runId"]), (Some(1), &run["runId"]));
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn what_can_never_succeed_is_not_tried_again() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new(), &inbox).await;
    inbox.answer("once", &[400]);
    for (id, name) in [("e1", "test/flaked"), ("e2", "test/broken"), ("e3", "test/hung")] {
        tell(&satchel, id, name).await;
    }
    let refused = run(&satchel, "test-flaked-caller", &["failed"]).await;
    assert_eq!((&refused["attempts"], inbox.of("once").len()), (&json!(1), 1));
    let broken = run(&satchel, "test-broken-panicker", &["failed"]).await;
    assert_eq!(broken["attempts"], 3);
    assert!(broken["failures"][0]["error"].as_str().is_some_and(|error| error.contains("panicked")), "{broken}");
    let hung = run(&satchel, "test-hung-hanger", &["failed"]).await;
    assert!(hung["failures"][0]["error"].as_str().is_some_and(|error| error.contains("longer than")), "{hung}");
    all_ended(&satchel, 6).await;
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_run_sleeps_without_a_worker_and_goes_on_with_another() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new().brisk(), &inbox).await;
    tell(&satchel, "e1", "test/slept").await;
    let sleeping = run(&satchel, "test-slept-sleeper", &["sleeping"]).await;
    assert!(sleeping["dueAt"].is_string(), "{sleeping}");
    satchel.kill_workers();
    satchel.start_worker();
    let done = run(&satchel, "test-slept-sleeper", &["succeeded"]).await;
    assert_eq!((inbox.of("before").len(), inbox.of("after").len()), (1, 1));
    assert_eq!(done["failures"], json!([]), "sleeping is no failure");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_run_that_is_put_off_keeps_what_it_has_done_and_counts_no_attempt() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new(), &inbox).await;
    tell(&satchel, "e1", "test/deferred").await;
    let done = run(&satchel, "test-deferred-caller", &["succeeded"]).await;
    assert_eq!((&done["attempts"], &done["failures"]), (&json!(1), &json!([])));
    assert_eq!((inbox.of("before").len(), inbox.of("after").len()), (1, 1));
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_run_submits_a_job_and_waits_for_it_and_tells_of_an_event() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new(), &inbox).await;
    inbox.answer("rewarded", &[500, 500]);
    tell(&satchel, "e1", "quest/done").await;
    run(&satchel, "quest-done-rewarder", &["succeeded"]).await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 5)], "rewarded once");
    let entry = satchel.history("u1", "").await.remove(0);
    assert_eq!(entry["actor"], "service:function:quest-done-rewarder");
    let told = satchel.operator().get("/api/v1/events?name=quest/rewarded").await.expect(200).json();
    assert_eq!(told["events"].as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(told["events"][0]["data"]["jobId"], entry["jobId"]);
    assert_eq!(told["events"][0]["source"], "service:function:quest-done-rewarder");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn uses_of_one_id_are_steps_of_their_own_told_apart_by_their_order() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new(), &inbox).await;
    inbox.answer("same", &[200, 500]);
    inbox.answer("attempt", &[500]);
    tell(&satchel, "e1", "test/repeated").await;
    let done = run(&satchel, "test-repeated-caller", &["succeeded"]).await;
    assert_eq!(done["attempts"], 3, "the second use failed once, and what follows the third");
    let keys: Vec<String> = inbox.of("same").into_iter().map(|call| call.key).collect();
    assert_eq!((keys.len(), keys[1] == keys[2]), (4, true), "only the one that failed is done again, under its id");
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 3);
    let path = format!("/api/v1/runs/{}", done["runId"].as_str().expect("an id"));
    let told = satchel.operator().get(&path).await.expect(200).json();
    let steps: Vec<_> =
        told["steps"].as_array().expect("steps").iter().map(|step| (&step["id"], &step["nth"])).collect();
    assert_eq!(steps, [0, 1, 2].map(|nth| (json!("same"), json!(nth))).each_ref().map(|(id, nth)| (id, nth)));
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_result_of_more_than_a_mebibyte_fails_its_run() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new(), &inbox).await;
    tell(&satchel, "e1", "test/grown").await;
    let failed = run(&satchel, "test-grown-maker", &["failed"]).await;
    let error = failed["failures"][0]["error"].as_str().expect("an error");
    assert!(error.contains("too large has 1048577 bytes"), "{error}");
    let path = format!("/api/v1/runs/{}", failed["runId"].as_str().expect("an id"));
    let told = satchel.operator().get(&path).await.expect(200).json();
    let step = &told["steps"][0];
    assert_eq!(
        (&step["id"], &step["result"], &step["resultBytes"]),
        (&json!("largest"), &Value::Null, &json!(1 << 20))
    );
    assert_eq!(told["steps"].as_array().map(Vec::len), Some(1));
    invariants::check(&satchel).await;
}
