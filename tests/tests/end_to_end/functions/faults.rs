//! Workers that die in the middle, or lack a function.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use nix::sys::signal::Signal;
use satchel_testkit::{Call, Inbox, Setup, soak, wait};
use satchel_tests::invariants;
use serde_json::{Value, json};

use super::{all_ended, event, run, start, tell};

fn keys(calls: &[Call]) -> HashSet<&str> {
    calls.iter().map(|call| call.key.as_str()).collect()
}

#[tokio::test]
async fn a_worker_that_lacks_a_function_passes_no_event_by() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new().brisk(), &inbox).await;
    satchel.start_worker_without_functions();
    satchel.settled(2).await;
    // Some of these users are the other worker's.
    for n in 0..20 {
        let event = event(&format!("e{n}"), "test/flaked", &format!("u{n}"));
        let job = satchel.game().tell_and_wait(&event).await.expect(200).json();
        assert_eq!(job["status"], "applied", "{job}");
    }
    let given = "SELECT count(*) FROM function_runs";
    wait::until_true("every event is given", || satchel.database.owner.number(given) == 20).await;
    assert!(inbox.of("once").len() < 20, "the other worker does not run it");
    assert!(satchel.stop_nth_worker(1, Signal::SIGTERM).success());
    all_ended(&satchel, 20).await;
    assert_eq!(inbox.of("once").len(), 20);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_run_that_was_cancelled_is_not_begun_again_when_its_worker_has_died() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new().brisk(), &inbox).await;
    inbox.delay(Duration::from_mins(1));
    tell(&satchel, "e1", "test/begun").await;
    wait::until_true("the first step is under way", || inbox.of("first").len() == 1).await;
    let running = run(&satchel, "test-begun-tracer", &["running"]).await;
    let path = format!("/api/v1/runs/{}/cancel", running["runId"].as_str().expect("an id"));
    satchel.operator().post_text(&path, "").await.expect(202);
    satchel.kill_workers();
    satchel.start_worker();
    run(&satchel, "test-begun-tracer", &["cancelled"]).await;
    assert_eq!(inbox.calls().len(), 1);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn workers_killed_again_and_again_do_each_step_under_one_id_and_each_run_completes_in_order_however_long() {
    const USERS: usize = 5;
    let kills = soak::rounds(8, 50);
    let events_each = soak::rounds(20, 40);
    let inbox = Inbox::open().await;
    // What a killed worker held is free soon.
    let setup = Setup::new().worker_env("SATCHEL_LEASE_TTL_MS", "600").worker_env("SATCHEL_LEASE_RENEW_MS", "150");
    let satchel = start(setup, &inbox).await;
    inbox.delay(Duration::from_millis(5));
    for n in 0..events_each {
        let events: Vec<Value> =
            (0..USERS).map(|user| event(&format!("{user}-{n}"), "test/begun", &format!("u{user}"))).collect();
        satchel.game().tell(&json!(events)).await.expect(202);
    }
    for killed in 0..kills {
        let before = inbox.calls().len();
        // At another moment of a run each time: so many calls after it has begun to work again.
        let until = before + 1 + killed % 4;
        let total = events_each * USERS * 3;
        wait::until_true("functions go on", || inbox.calls().len() >= until.min(total)).await;
        satchel.stop_worker(Signal::SIGKILL);
        satchel.start_worker();
    }
    all_ended(&satchel, i64::try_from(events_each * USERS).expect("few")).await;
    assert_eq!(
        satchel.database.owner.number("SELECT count(*) FROM function_runs WHERE status = 'succeeded'"),
        i64::try_from(events_each * USERS).expect("few")
    );
    let calls = inbox.calls();
    let mut of_step: HashMap<(String, String), Vec<Call>> = HashMap::new();
    for call in &calls {
        let id = call.event["id"].as_str().expect("an id").to_owned();
        of_step.entry((id, call.what.clone())).or_default().push(call.clone());
    }
    assert_eq!(of_step.len(), events_each * USERS * 3, "every step of every run was done");
    assert!(of_step.values().all(|calls| keys(calls).len() == 1), "a step has one id however often it is done");
    assert_eq!(keys(&calls).len(), events_each * USERS * 3, "and no other step has it");
    let mut firsts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut seen = HashSet::new();
    for call in &calls {
        if seen.insert(call.key.clone()) {
            let step = format!("{} {}", call.event["id"].as_str().expect("an id"), call.what);
            firsts.entry(call.event["userId"].as_str().expect("a user").to_owned()).or_default().push(step);
        }
    }
    for (user, steps) in firsts {
        let user = user.trim_start_matches('u');
        let expected: Vec<String> = (0..events_each)
            .flat_map(|n| ["first", "second", "third"].map(|what| format!("{user}-{n} {what}")))
            .collect();
        assert_eq!(steps, expected, "a user's runs and their steps are in order");
    }
    invariants::check(&satchel).await;
}
