//! Functions: each event's run, its steps done once, whatever fails or dies.

mod attempts;
mod faults;
mod floods;
mod operating;
mod quiet;
mod scale;

use satchel_testkit::job::test_catalogue;
use satchel_testkit::{Inbox, Satchel, Setup, wait};
use serde_json::{Value, json};

const EVENTS: &[&str] = &[
    "test/begun",
    "test/flaked",
    "test/slept",
    "test/deferred",
    "test/repeated",
    "test/grown",
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

/// Waits until so many runs of functions have ended, as long as they go on, and none is left.
async fn all_ended(satchel: &Satchel, runs: i64) {
    let ended = "SELECT count(*) FROM function_runs WHERE finished_at IS NOT NULL";
    let mut seen = -1;
    while seen < runs {
        seen = wait::until(&format!("more than {seen} of {runs} runs have ended"), || async {
            Some(satchel.database.owner.number(ended)).filter(|count| *count > seen)
        })
        .await;
    }
    assert_eq!(satchel.database.owner.number("SELECT count(*) FROM function_runs"), runs);
}
