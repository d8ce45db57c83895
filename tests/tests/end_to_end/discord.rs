//! What players get and use is told to Discord channels, at the pace that Discord asks for.

use satchel_testkit::job::{reward, use_item};
use satchel_testkit::receiver::{Receiver, Reply};
use satchel_testkit::{Satchel, Setup, wait};
use satchel_tests::invariants;
use serde_json::json;

async fn start(rewarded: &Receiver, used: &Receiver) -> Satchel {
    Setup::new()
        .worker_env("SATCHEL_DISCORD_REWARDED_URL", &rewarded.url())
        .worker_env("SATCHEL_DISCORD_USED_URL", &used.url())
        .worker_env("SATCHEL_OUTBOUND_ALLOW", "127.0.0.1/32")
        .start()
        .await
}

async fn ended(satchel: &Satchel, runs: i64) {
    let ended = "SELECT count(*) FROM function_runs WHERE status = 'succeeded'";
    wait::until_true(&format!("{runs} runs are done"), || satchel.database.owner.number(ended) == runs).await;
}

#[tokio::test]
async fn what_a_player_gets_and_uses_is_told_without_mentioning_anybody() {
    let (rewarded, used) = (Receiver::start(Reply::Status(204)).await, Receiver::start(Reply::Status(204)).await);
    let satchel = start(&rewarded, &used).await;
    satchel.game().submit_and_wait(&reward("u1", json!(["welcome_chest", "key"]))).await.expect(200);
    satchel.game().submit_and_wait(&use_item("u1", "welcome_chest", 1)).await.expect(200);
    // Nothing is granted by this one, so there is nothing to tell.
    satchel.game().submit_and_wait(&reward("u1", json!(["key"]))).await.expect(200);
    ended(&satchel, 3).await;
    let told = rewarded.received();
    assert_eq!(told.len(), 1);
    let message = told[0].event();
    assert_eq!(message["allowed_mentions"], json!({"parse": []}));
    assert_eq!(message["embeds"][0]["title"], "`u1` was rewarded");
    assert_eq!(message["embeds"][0]["fields"][1]["name"], "`key`");
    let message = used.gets(1).await.remove(0).event();
    assert_eq!(message["embeds"][0]["title"], "`u1` used `welcome_chest`");
    assert_eq!(message["embeds"][0]["fields"][1]["value"], "+120 (now 120)");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn discords_limits_are_waited_for_and_no_message_is_lost() {
    let (rewarded, used) = (Receiver::start(Reply::Status(204)).await, Receiver::start(Reply::Status(404)).await);
    rewarded.answer([
        Reply::With(429, "Retry-After", "1".to_owned()),
        Reply::Status(500),
        Reply::With(302, "Location", used.url()),
        Reply::Status(204),
    ]);
    let satchel = start(&rewarded, &used).await;
    satchel.game().submit_and_wait(&reward("u1", json!(["key"]))).await.expect(200);
    let retrying = "SELECT count(*) FROM function_runs WHERE status = 'retrying'";
    wait::until_true("Discord has said 429", || satchel.database.owner.number(retrying) == 1).await;
    for user in ["u2", "u3"] {
        satchel.game().submit_and_wait(&reward(user, json!(["key"]))).await.expect(200);
    }
    // One of them met the redirect, which is not followed and is no answer that a retry could change.
    let finished = "SELECT count(*) FROM function_runs WHERE finished_at IS NOT NULL";
    wait::until_true("all runs have ended", || satchel.database.owner.number(finished) == 3).await;
    let failed = satchel.operator().get("/api/v1/functions/item-rewarded-discord-notifier/runs?status=failed").await;
    let failed = failed.expect(200).json();
    assert_eq!(failed["runs"].as_array().map(Vec::len), Some(1), "{failed}");
    assert!(failed["runs"][0]["failures"].to_string().contains("302"), "{failed}");
    let told = rewarded.received();
    assert_eq!(told.len(), 5, "three messages, one after 429 and one after 500 again");
    assert!(told[1].at - told[0].at >= std::time::Duration::from_millis(900), "Retry-After is honoured");
    assert!(used.received().is_empty());
    invariants::check(&satchel).await;
}
