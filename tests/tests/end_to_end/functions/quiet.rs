//! Quiet jobs: recorded as all are, but nothing hears of them.

use satchel_testkit::job::{reward, use_item};
use satchel_testkit::{Answer, Inbox, Satchel, Setup, wait};
use satchel_tests::invariants;
use serde_json::{Value, json};

use super::{all_ended, catalogue, event};

fn quiet(mut job: Value) -> Value {
    job["quiet"] = true.into();
    job
}

/// The names of all events about the user, oldest first, with a mark at quiet ones.
async fn events(satchel: &Satchel) -> Vec<String> {
    let told = satchel.operator().get("/api/v1/events?userId=u1").await.expect(200).json();
    let name = |event: &Value| {
        let mark = if event["quiet"] == true { " quiet" } else { "" };
        format!("{}{mark}", event["name"].as_str().expect("a name"))
    };
    told["events"].as_array().expect("events").iter().rev().map(name).collect()
}

async fn replay(satchel: &Satchel, include_quiet: bool) -> Answer {
    let body = json!({"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z", "includeQuiet": include_quiet});
    satchel.operator().post_text("/api/v1/functions/item-rewarded-first/replay", body.to_string()).await.expect(202)
}

#[tokio::test]
async fn what_a_quiet_job_does_is_recorded_and_given_to_no_function() {
    let inbox = Inbox::open().await;
    let satchel = Setup::new().functions(&inbox).start().await;
    let mut rules = catalogue();
    rules["rules"] = json!([{"id": "full", "on": "test/flaked", "grant": [{"itemId": "potion", "quantity": 100}]}]);
    satchel.publish(&rules).await;
    let game = satchel.game();
    game.submit_and_wait(&quiet(reward("u1", json!(["welcome_chest"])))).await.expect(200);
    game.submit_and_wait(&quiet(use_item("u1", "key", 1))).await.expect(200);
    let told = game.tell_and_wait(&quiet(event("e1", "test/flaked", "u1"))).await.expect(200).json();
    assert_eq!(told["result"]["rewards"][0]["rule"], "full", "{told}");
    // What comes after it in the same shard is given after it.
    game.submit_and_wait(&reward("u1", json!(["key"]))).await.expect(200);
    all_ended(&satchel, 3).await;
    let expected =
        ["item/rewarded quiet", "job/rejected quiet", "test/flaked quiet", "rule/refused quiet", "item/rewarded"];
    assert_eq!(events(&satchel).await, expected);
    assert_eq!(satchel.history("u1", "").await.len(), 2, "the chest and the key");

    // A replay passes them by as well, unless it is asked not to.
    for (include_quiet, runs) in [(false, 4), (true, 6)] {
        replay(&satchel, include_quiet).await;
        let left = "SELECT count(*) FROM function_replay_shards";
        wait::until_true("the replay is given", || satchel.database.owner.number(left) == 0).await;
        all_ended(&satchel, runs).await;
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_quiet_job_is_another_job_and_players_submit_none() {
    let satchel = Setup::new().start().await;
    let job = reward("u1", json!(["gold"]));
    let first = satchel.game().submit_under("k", &quiet(job.clone())).await.expect(202);
    assert_eq!(satchel.game().submit_under("k", &quiet(job.clone())).await.expect(202).job_id(), first.job_id());
    satchel.game().submit_under("k", &job).await.problem(422);
    satchel.player("u1").submit(&quiet(use_item("u1", "gold", 1))).await.problem(403);
    let mut odd = job;
    odd["quiet"] = "yes".into();
    assert_eq!(satchel.game().submit(&odd).await.pointers(), ["/quiet"]);
    invariants::check(&satchel).await;
}
