//! Settings that would do harm are noticed, and nothing is taken.

use std::process::Command;

use satchel_testkit::job::{reward, reward_pieces};
use satchel_testkit::{Setup, binary, refused_start, wait};
use satchel_tests::invariants;
use serde_json::json;

#[tokio::test]
async fn programs_of_another_installation_take_nothing_and_say_why() {
    let satchel = Setup::new().workers(0).start().await;
    satchel.game().submit(&json!([reward("u1", json!(["key"])), reward("u2", json!(["key"]))])).await.expect(202);
    for program in ["satchel-worker", "satchel-api"] {
        let stranger = satchel.stranger(program);
        assert!(!stranger.process.wait().success(), "{program} starts");
        let said = stranger.process.output();
        assert!(said.contains("another installation uses this Redis"), "{said}");
        assert_eq!(stranger.database.owner.number("SELECT count(*) FROM quarantined_entries"), 0);
    }
    satchel.start_worker();
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u2").await, [("key".to_owned(), 1)]);
}

/// It has come up before the Redis that it was told by mistake.
#[tokio::test]
async fn a_worker_whose_redis_becomes_another_installations_takes_nothing() {
    let satchel = Setup::new().brisk().start().await;
    satchel.game().submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    let id = satchel.redis.commands.run(&["GET", "satchel:{s00}:installation"]);
    satchel.redis.kill();
    satchel.redis.start();
    satchel.redis.commands.run(&["SET", "satchel:{s00}:installation", "0190a5e4-8c6e-7000-8000-000000000000"]);
    // Connections that were made before know no better.
    for connections in ["normal", "pubsub"] {
        satchel.redis.commands.run(&["CLIENT", "KILL", "TYPE", connections]);
    }
    wait::until_true("the worker says so", || satchel.worker_output().contains("another installation")).await;
    wait::until("the API refuses jobs", || async {
        let answer = satchel.game().submit(&reward_pieces("u1", "arrow", 1)).await;
        (answer.status == 503).then_some(())
    })
    .await;
    // What readiness asked a moment ago is answered once more.
    let ready = wait::until("the API is not ready", || async {
        let answer = satchel.anyone().get("/readyz").await;
        (answer.status == 503).then(|| answer.json())
    })
    .await;
    assert!(ready.to_string().contains("another installation"), "{ready}");
    satchel.redis.commands.run(&["SET", "satchel:{s00}:installation", &id]);
    wait::until("the API takes jobs again", || async {
        let answer = satchel.game().submit(&reward_pieces("u1", "arrow", 1)).await;
        (answer.status == 202).then_some(())
    })
    .await;
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_schema_that_lacks_a_migration_is_refused() {
    let satchel = Setup::new().start().await;
    let owner = &satchel.database.owner;
    let newest = owner.number("SELECT max(version) FROM _sqlx_migrations");
    owner.run(&format!("UPDATE _sqlx_migrations SET success = false WHERE version = {newest}"));
    let worker = satchel.try_worker();
    let lack = format!("the schema lacks migration {newest}:");
    wait::until_true("it says so", || worker.output().contains(&lack)).await;
    assert!(!worker.output().contains("worker started"));
    owner.run("UPDATE _sqlx_migrations SET success = true");
    wait::until_true("it starts", || worker.output().contains("worker started")).await;
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_schema_of_other_migrations_is_refused_and_left_as_it_is() {
    let satchel = Setup::new().workers(0).start().await;
    let owner = &satchel.database.owner;
    let mark = "SELECT sum(hashtext(_sqlx_migrations::text)) FROM _sqlx_migrations";
    owner.run("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version > 1");
    let before = owner.run(mark);
    let says_so = |said: &str| {
        assert!(said.contains("its migration 2 is not this program's"), "{said}");
        assert!(said.contains("run `satchel migrate` on an empty database"), "{said}");
    };
    let mut migrate = Command::new(binary("satchel"));
    let migrate = migrate.arg("migrate").env_clear().env("SATCHEL_OWNER_DATABASE_URL", owner.url()).output().unwrap();
    assert!(!migrate.status.success());
    says_so(&String::from_utf8_lossy(&migrate.stderr));
    says_so(&refused_start(&satchel, "satchel-api", &satchel.database.api, ""));
    says_so(&refused_start(&satchel, "satchel-worker", &satchel.database.worker, ""));
    assert_eq!(owner.run(mark), before);
    invariants::check(&satchel).await;
}
