//! Functions: each event's run, its steps done once, whatever fails or dies.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use nix::sys::signal::Signal;
use satchel_tests::job::{reward, test_catalogue};
use satchel_tests::{Answer, Call, Inbox, Satchel, Setup, invariants, wait};
use serde_json::{Value, json};

const EVENTS: &[&str] = &[
    "test/begun",
    "test/flaked",
    "test/slept",
    "test/deferred",
    "test/narrowed",
    "test/broken",
    "test/hung",
    "quest/done",
    "quest/rewarded",
];

fn catalogue() -> Value {
    let mut catalogue = test_catalogue();
    catalogue["events"] =
        EVENTS.iter().map(|name| ((*name).to_owned(), json!({}))).collect::<serde_json::Map<_, _>>().into();
    catalogue
}

async fn start(setup: Setup, inbox: &Inbox) -> Satchel {
    let satchel = setup.functions(inbox).start().await;
    satchel.publish(&catalogue()).await;
    satchel
}

fn event(id: &str, name: &str, user_id: &str) -> Value {
    json!({"id": id, "name": name, "userId": user_id, "data": {"millis": 1500}})
}

/// Sends an event and waits until it is told of.
async fn tell(satchel: &Satchel, id: &str, name: &str) {
    let job = satchel.game().tell_and_wait(&event(id, name, "u1")).await.expect(200).json();
    assert_eq!(job["status"], "applied", "{job}");
}

/// The only run of a function, once it has one of these statuses.
async fn run(satchel: &Satchel, function_id: &str, statuses: &[&str]) -> Value {
    wait::until(&format!("the run of {function_id} is {statuses:?}"), || async {
        let path = format!("/api/v1/functions/{function_id}/runs");
        let answer = satchel.operator().get(&path).await;
        let runs = (answer.status == 200).then(|| answer.json())?["runs"].as_array()?.clone();
        assert!(runs.len() <= 1, "{runs:?}");
        runs.into_iter().find(|run| statuses.contains(&run["status"].as_str().expect("a status")))
    })
    .await
}

/// Waits until so many runs of functions have ended, and none is left.
async fn all_ended(satchel: &Satchel, runs: i64) {
    let ended = "SELECT count(*) FROM function_runs WHERE finished_at IS NOT NULL";
    wait::until_true(&format!("{runs} runs have ended"), || satchel.database.owner.number(ended) == runs).await;
    assert_eq!(satchel.database.owner.number("SELECT count(*) FROM function_runs"), runs);
}

fn keys(calls: &[Call]) -> HashSet<&str> {
    calls.iter().map(|call| call.key.as_str()).collect()
}

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
async fn a_run_that_fails_for_good_is_told_of_and_goes_on_where_it_was_when_it_is_retried() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new(), &inbox).await;
    inbox.answer("attempt", &[500, 500, 500]);
    tell(&satchel, "e1", "test/flaked").await;
    let failed = run(&satchel, "test-flaked-caller", &["failed"]).await;
    run(&satchel, "function-failed-reporter", &["succeeded"]).await;
    let reported = inbox.of("failed").remove(0).event;
    let data = &reported["data"];
    assert_eq!((&data["functionId"], &data["runId"]), (&json!("test-flaked-caller"), &failed["runId"]));
    assert_eq!((&data["event"], &data["eventId"], &data["attempts"]), (&json!("test/flaked"), &json!("e1"), &json!(3)));
    let path = format!("/api/v1/runs/{}", failed["runId"].as_str().expect("an id"));
    satchel.game().post_text(&format!("{path}/retry"), "").await.problem(403);
    satchel.operator().post_text(&format!("{path}/retry"), "").await.expect(202);
    let done = run(&satchel, "test-flaked-caller", &["succeeded"]).await;
    assert_eq!((done["runId"] == failed["runId"], &done["attempts"]), (true, &json!(4)));
    assert_eq!(inbox.of("once").len(), 1, "what was done stays done");
    satchel.operator().post_text(&format!("{path}/retry"), "").await.problem(409);
    let actions = satchel.operator().get("/api/v1/queues/actions").await.expect(200).json();
    assert_eq!(
        (&actions["actions"][0]["action"], &actions["actions"][0]["detail"]["runId"]),
        (&json!("retry-run"), &done["runId"])
    );
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
async fn a_cancelled_run_ends_before_its_next_step() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new(), &inbox).await;
    tell(&satchel, "e1", "test/slept").await;
    let sleeping = run(&satchel, "test-slept-sleeper", &["sleeping"]).await;
    let path = |run: &Value| format!("/api/v1/runs/{}/cancel", run["runId"].as_str().expect("an id"));
    satchel.operator().post_text(&path(&sleeping), "").await.expect(202);
    run(&satchel, "test-slept-sleeper", &["cancelled"]).await;
    satchel.operator().post_text(&path(&sleeping), "").await.problem(409);

    inbox.delay(Duration::from_secs(1));
    tell(&satchel, "e2", "test/begun").await;
    wait::until_true("the first step is under way", || inbox.of("first").len() == 1).await;
    let running = run(&satchel, "test-begun-tracer", &["running"]).await;
    satchel.operator().post_text(&path(&running), "").await.expect(202);
    run(&satchel, "test-begun-tracer", &["cancelled"]).await;
    assert_eq!((inbox.of("first").len(), inbox.of("second").len(), inbox.of("after").len()), (1, 0, 0));
    satchel.operator().get("/api/v1/runs/0190a5e4-8c6e-7000-8000-000000000000").await.problem(404);
    invariants::check(&satchel).await;
}

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
async fn ten_thousand_events_reach_three_functions_and_none_is_lost() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new().workers(2), &inbox).await;
    let users: Vec<String> = (0..500).map(|n| format!("u{n}")).collect();
    for _ in 0..10 {
        let jobs: Vec<Value> = users.iter().chain(&users).map(|user| reward(user, json!(["arrow"]))).collect();
        satchel.game().submit(&json!(jobs)).await.expect(202);
    }
    all_ended(&satchel, 30_000).await;
    let each = "SELECT string_agg(function_id || ' ' || runs, ', ' ORDER BY function_id)
                FROM (SELECT function_id, count(DISTINCT (shard, event_seq)) AS runs FROM function_runs
                      WHERE status = 'succeeded' GROUP BY function_id) AS of_function";
    assert_eq!(
        satchel.database.owner.run(each),
        "item-rewarded-first 10000, item-rewarded-second 10000, item-rewarded-third 10000"
    );
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn workers_killed_fifty_times_do_each_step_under_one_id_and_each_run_completes_in_order() {
    const USERS: usize = 5;
    const EVENTS: usize = 40;
    let inbox = Inbox::open().await;
    // What a killed worker held is free soon.
    let setup = Setup::new().worker_env("SATCHEL_LEASE_TTL_MS", "600").worker_env("SATCHEL_LEASE_RENEW_MS", "150");
    let satchel = start(setup, &inbox).await;
    inbox.delay(Duration::from_millis(5));
    for n in 0..EVENTS {
        let events: Vec<Value> =
            (0..USERS).map(|user| event(&format!("{user}-{n}"), "test/begun", &format!("u{user}"))).collect();
        satchel.game().tell(&json!(events)).await.expect(202);
    }
    for killed in 0..50_u64 {
        let before = inbox.calls().len();
        // At another moment of a run each time: so many calls after it has begun to work again.
        let until = before + 1 + usize::try_from(killed % 4).expect("few");
        let total = EVENTS * USERS * 3;
        wait::until_true("functions go on", || inbox.calls().len() >= until.min(total)).await;
        satchel.stop_worker(Signal::SIGKILL);
        satchel.start_worker();
    }
    all_ended(&satchel, i64::try_from(EVENTS * USERS).expect("few")).await;
    assert_eq!(
        satchel.database.owner.number("SELECT count(*) FROM function_runs WHERE status = 'succeeded'"),
        i64::try_from(EVENTS * USERS).expect("few")
    );
    let calls = inbox.calls();
    let mut of_step: HashMap<(String, String), Vec<Call>> = HashMap::new();
    for call in &calls {
        let id = call.event["id"].as_str().expect("an id").to_owned();
        of_step.entry((id, call.what.clone())).or_default().push(call.clone());
    }
    assert_eq!(of_step.len(), EVENTS * USERS * 3, "every step of every run was done");
    assert!(of_step.values().all(|calls| keys(calls).len() == 1), "a step has one id however often it is done");
    assert_eq!(keys(&calls).len(), EVENTS * USERS * 3, "and no other step has it");
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
        let expected: Vec<String> =
            (0..EVENTS).flat_map(|n| ["first", "second", "third"].map(|what| format!("{user}-{n} {what}"))).collect();
        assert_eq!(steps, expected, "a user's runs and their steps are in order");
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn events_can_be_replayed_to_one_function() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new(), &inbox).await;
    for n in 0..6 {
        let name = if n < 4 { "test/flaked" } else { "quest/done" };
        let user = if n == 0 { "u2" } else { "u1" };
        satchel.game().tell_and_wait(&event(&format!("e{n}"), name, user)).await.expect(200);
    }
    // One of each, and what quest-done-rewarder's own reward brings about.
    all_ended(&satchel, 6 + 2 * 3).await;
    let told = replay(
        &satchel,
        "/api/v1/functions/test-flaked-caller/replay",
        json!({"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z", "userId": "u1"}),
    )
    .await
    .expect(202)
    .json();
    assert!(told["replayId"].is_string() && told["events"].as_i64().is_some_and(|events| events >= 6), "{told}");
    all_ended(&satchel, 6 + 2 * 3 + 3).await;
    let runs = satchel.operator().get("/api/v1/functions/test-flaked-caller/runs").await.expect(200).json();
    let replayed = runs["runs"].as_array().expect("runs").iter().filter(|run| run["isReplay"] == true).count();
    assert_eq!((replayed, inbox.of("once").len()), (3, 4 + 3), "a replay's runs are new ones");
    let path = "/api/v1/functions/no-such-function/replay";
    let whole = json!({"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"});
    replay(&satchel, path, whole).await.problem(404);
    let odd = json!({"from": "now", "name": "x", "more": 1});
    let pointers = replay(&satchel, "/api/v1/functions/test-flaked-caller/replay", odd).await.pointers();
    assert_eq!(pointers, ["/from", "/more", "/name", "/to"]);
    invariants::check(&satchel).await;
}

async fn replay(satchel: &Satchel, path: &str, body: Value) -> Answer {
    satchel.operator().post_text(path, body.to_string()).await
}

#[tokio::test]
async fn functions_and_their_runs_are_listed_for_operators_alone() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new(), &inbox).await;
    for n in 0..7 {
        tell(&satchel, &format!("e{n}"), "test/flaked").await;
    }
    all_ended(&satchel, 7).await;
    let functions = satchel.operator().get("/api/v1/functions").await.expect(200).json();
    let functions = functions["functions"].as_array().expect("functions");
    let found = functions.iter().find(|function| function["functionId"] == "test-flaked-caller").expect("it");
    assert_eq!((&found["events"], &found["unfinished"]), (&json!(["test/flaked"]), &json!(0)));
    assert_eq!((&found["policy"]["retries"], &found["policy"]["concurrency"]), (&json!(2), &json!(16)));
    let path = "/api/v1/functions/test-flaked-caller/runs";
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = satchel.operator().get(&format!("{path}?limit=3{cursor}")).await.expect(200).json();
        ids.extend(page["runs"].as_array().expect("runs").iter().map(|run| run["eventId"].clone()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(ids, (0..7).rev().map(|n| json!(format!("e{n}"))).collect::<Vec<_>>(), "newest first");
    let failed = satchel.operator().get(&format!("{path}?status=failed")).await.expect(200).json();
    assert_eq!(failed["runs"], json!([]));
    satchel.operator().get(&format!("{path}?status=odd")).await.problem(400);
    satchel.operator().get("/api/v1/functions/no-such-function/runs").await.problem(404);
    for path in ["/api/v1/functions", path, "/api/v1/runs/0190a5e4-8c6e-7000-8000-000000000000"] {
        for (caller, status) in [(satchel.anyone(), 401), (satchel.player("u1"), 403), (satchel.game(), 403)] {
            caller.get(path).await.problem(status);
        }
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn the_tool_shows_and_does_what_the_api_does() {
    let inbox = Inbox::open().await;
    let satchel = start(Setup::new(), &inbox).await;
    inbox.answer("attempt", &[400]);
    tell(&satchel, "e1", "test/flaked").await;
    let failed = run(&satchel, "test-flaked-caller", &["failed"]).await;
    run(&satchel, "function-failed-reporter", &["succeeded"]).await;
    let run_id = failed["runId"].as_str().expect("an id");
    let tool = |arguments: &[&str]| satchel.tool(&[&["functions"], arguments].concat());
    assert!(tool(&["list"]).contains("test-flaked-caller  unfinished 0"));
    let runs = tool(&["runs", "test-flaked-caller", "--status", "failed"]);
    assert!(runs.contains(run_id) && runs.contains("attempt: refused"), "{runs}");
    let shown: Value = serde_json::from_str(&tool(&["show", run_id])).expect("JSON");
    assert_eq!((&shown["run"]["status"], &shown["steps"][0]["id"]), (&json!("failed"), &json!("once")));
    assert!(tool(&["retry", run_id]).contains("queued again"));
    run(&satchel, "test-flaked-caller", &["succeeded"]).await;
    let told =
        tool(&["replay", "test-flaked-caller", "--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z"]);
    assert!(told.contains("events are looked at"), "{told}");
    all_ended(&satchel, 3).await;
    tell(&satchel, "e2", "test/slept").await;
    let sleeping = run(&satchel, "test-slept-sleeper", &["sleeping"]).await;
    tool(&["cancel", sleeping["runId"].as_str().expect("an id")]);
    run(&satchel, "test-slept-sleeper", &["cancelled"]).await;
    let actions = satchel.operator().get("/api/v1/queues/actions").await.expect(200).json();
    let names: Vec<&str> =
        actions["actions"].as_array().expect("actions").iter().filter_map(|action| action["action"].as_str()).collect();
    assert_eq!(names, ["cancel-run", "replay", "retry-run"]);
    assert_eq!(actions["actions"][0]["actor"], "operator:cli");
    invariants::check(&satchel).await;
}
