//! What operators see of functions and runs, and do about them.

use std::time::Duration;

use satchel_testkit::{Answer, Inbox, Satchel, Setup, wait};
use satchel_tests::invariants;
use serde_json::{Value, json};

use super::{all_ended, event, run, start, tell};

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
