//! A flood clogs no function for good: it is paused, seen, ended in bulk, and dropped by the function's own policy.

use nix::sys::signal::Signal;
use satchel_testkit::job::reward;
use satchel_testkit::receiver::{Receiver, Reply};
use satchel_testkit::{Answer, Inbox, Satchel, Setup, wait};
use satchel_tests::invariants;
use serde_json::{Value, json};

use super::{all_ended, run, start, tell};

const PATH: &str = "/api/v1/functions/test-flaked-caller";

async fn post(satchel: &Satchel, path: &str, body: &Value) -> Answer {
    satchel.operator().post_text(&format!("{PATH}{path}"), body.to_string()).await
}

async fn function(satchel: &Satchel, function_id: &str) -> Value {
    let functions = satchel.operator().get("/api/v1/functions").await.expect(200).json();
    let functions = functions["functions"].as_array().expect("functions");
    functions.iter().find(|function| function["functionId"] == function_id).expect("it").clone()
}

/// Satchel, once its worker has said which functions it runs.
async fn start_known(inbox: &Inbox) -> Satchel {
    let satchel = start(Setup::new(), inbox).await;
    wait::until_true("the functions are known", || satchel.database.owner.number("SELECT count(*) FROM functions") > 0)
        .await;
    satchel
}

/// The names of what operators did, newest first.
async fn actions(satchel: &Satchel) -> Vec<String> {
    let name = |action: &Value| action["action"].as_str().expect("a name").to_owned();
    satchel.actions().await.iter().map(name).collect()
}

#[tokio::test]
async fn a_paused_function_begins_nothing_and_what_waits_is_seen_and_ended() {
    let inbox = Inbox::open().await;
    let satchel = start_known(&inbox).await;
    let paused = post(&satchel, "/pause", &json!({"reason": "import"})).await.expect(200).json();
    assert_eq!((&paused["functionId"], &paused["paused"]), (&json!("test-flaked-caller"), &json!(true)));
    assert_eq!((&paused["pauseReason"], &paused["pauseChangedBy"].is_string()), (&json!("import"), &true));
    for n in 0..3 {
        tell(&satchel, &format!("e{n}"), "test/flaked").await;
    }
    // A pause survives the worker, and holds for the next one. What another function hears later is done.
    satchel.stop_worker(Signal::SIGTERM);
    satchel.start_worker();
    tell(&satchel, "other", "test/repeated").await;
    run(&satchel, "test-repeated-caller", &["succeeded"]).await;
    assert_eq!(inbox.of("once").len(), 0);
    let seen = function(&satchel, "test-flaked-caller").await;
    assert_eq!((&seen["paused"], &seen["backlog"], &seen["runs"]), (&json!(true), &json!(3), &json!({"queued": 3})));
    assert!(seen["lagMs"].as_i64().is_some_and(|lag| lag > 0), "{seen}");
    let other = function(&satchel, "test-repeated-caller").await;
    assert_eq!((&other["paused"], &other["backlog"], &other["lagMs"]), (&json!(false), &json!(0), &Value::Null));
    wait::until("the metrics tell so", || async {
        let metrics = satchel.anyone().get("/metrics").await.expect(200).text;
        let has = |line: &str| metrics.contains(line);
        (has("satchel_function_backlog_runs{function=\"test-flaked-caller\"} 3\n")
            && has("satchel_function_paused{function=\"test-flaked-caller\"} 1\n")
            && has("satchel_function_lag_seconds{function=\"test-flaked-caller\"} "))
        .then_some(())
    })
    .await;

    let filter = json!({"status": "queued", "name": "test/flaked", "userId": "u1", "reason": "no use"});
    let counted = post(&satchel, "/cancel?dryRun=true", &filter).await.expect(200).json();
    assert_eq!(
        (&counted["cancelled"], &counted["remaining"], &counted["dryRun"]),
        (&json!(0), &json!(3), &json!(true))
    );
    let none = post(&satchel, "/cancel", &json!({"userId": "u2"})).await.expect(200).json();
    assert_eq!((&none["cancelled"], &none["remaining"]), (&json!(0), &json!(0)));
    let ended = post(&satchel, "/cancel", &filter).await.expect(200).json();
    assert_eq!((&ended["cancelled"], &ended["remaining"]), (&json!(3), &json!(0)));
    let runs = satchel.operator().get(&format!("{PATH}/runs?status=cancelled")).await.expect(200).json();
    assert_eq!((runs["runs"].as_array().map(Vec::len), &runs["runs"][0]["cancelReason"]), (Some(3), &json!("no use")));

    post(&satchel, "/resume", &json!({})).await.expect(200);
    tell(&satchel, "e3", "test/flaked").await;
    all_ended(&satchel, 5).await;
    assert_eq!(inbox.of("once").len(), 1, "what was ended stays so");
    assert_eq!(actions(&satchel).await, ["resume-function", "cancel-runs", "pause-function"]);
    for path in ["/pause", "/resume", "/cancel"] {
        satchel.game().post_text(&format!("{PATH}{path}"), "").await.problem(403);
        satchel.operator().post_text(&format!("/api/v1/functions/no-such-function{path}"), "").await.problem(404);
    }
    assert_eq!(post(&satchel, "/cancel", &json!({"status": "failed"})).await.pointers(), ["/status"]);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn the_tool_pauses_and_cancels_as_well() {
    let inbox = Inbox::open().await;
    let satchel = start_known(&inbox).await;
    let tool = |arguments: &[&str]| satchel.tool(&[&["functions"], arguments].concat());
    assert!(tool(&["pause", "test-flaked-caller", "--reason", "import"]).contains("is paused"));
    tell(&satchel, "e1", "test/flaked").await;
    run(&satchel, "test-flaked-caller", &["queued"]).await;
    let listed = tool(&["list"]);
    assert!(
        listed
            .lines()
            .any(|line| line.contains("test-flaked-caller  unfinished 1  waiting 1") && line.ends_with("paused")),
        "{listed}"
    );
    assert!(tool(&["cancel", "test-flaked-caller", "--dry-run", "--name", "test/flaked"]).contains("1 runs fit"));
    assert!(tool(&["cancel", "test-flaked-caller", "--reason", "odd"]).contains("1 runs are cancelled, 0 remain"));
    assert!(tool(&["resume", "test-flaked-caller"]).contains("is resumed"));
    assert_eq!(run(&satchel, "test-flaked-caller", &["cancelled"]).await["cancelReason"], "odd");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn what_is_older_than_a_function_wants_is_cancelled_with_that_reason() {
    let receiver = Receiver::start(Reply::Status(204)).await;
    let satchel = Setup::new()
        .worker_env("SATCHEL_DISCORD_REWARDED_URL", &receiver.url())
        .worker_env("SATCHEL_DISCORD_REWARDED_ORDER", "newest")
        .worker_env("SATCHEL_DISCORD_REWARDED_MAX_AGE_SECONDS", "3600")
        .worker_env("SATCHEL_OUTBOUND_ALLOW", "127.0.0.1/32")
        .start()
        .await;
    let id = "item-rewarded-discord-notifier";
    let path = format!("/api/v1/functions/{id}");
    satchel.game().submit_and_wait(&reward("u0", json!(["gold"]))).await.expect(200);
    receiver.gets(1).await;
    satchel.operator().post_text(&format!("{path}/pause"), "").await.expect(200);
    for user in ["u1", "u2"] {
        satchel.game().submit_and_wait(&reward(user, json!(["gold"]))).await.expect(200);
    }
    let queued = "SELECT count(*) FROM function_runs WHERE status = 'queued'";
    wait::until_true("both wait", || satchel.database.owner.number(queued) == 2).await;
    satchel.database.owner.run("UPDATE function_runs SET created_at = now() - interval '2 hours' WHERE user_id = 'u1'");
    let runs = format!("{path}/runs?status=cancelled");
    let dropped = wait::until("the old one is dropped", || async {
        satchel.operator().get(&runs).await.expect(200).json()["runs"].get(0).cloned()
    })
    .await;
    assert_eq!(dropped["cancelReason"], "dropped by the function's policy: older than 3600 s");
    let policy = function(&satchel, id).await["policy"].clone();
    assert_eq!((&policy["order"], &policy["maxAgeMs"]), (&json!("newest"), &json!(3_600_000)));
    // An operator may want it all the same.
    let run_id = dropped["runId"].as_str().expect("an id");
    satchel.operator().post_text(&format!("/api/v1/runs/{run_id}/retry"), "").await.expect(202);
    satchel.operator().post_text(&format!("{path}/resume"), "").await.expect(200);
    all_ended(&satchel, 3).await;
    assert_eq!(receiver.received().len(), 3);
    invariants::check(&satchel).await;
}
