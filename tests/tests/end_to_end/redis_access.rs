//! Ways to a Redis: as a user of its own that may do little, behind TLS, and a cluster.

use chrono::{TimeDelta, Utc};
use satchel_testkit::job::{high, not_before, reward_pieces, use_item};
use satchel_testkit::load::{self, Endless};
use satchel_testkit::players::one_per_shard;
use satchel_testkit::poison::{self, poisonous};
use satchel_testkit::{RedisKind, Satchel, Setup};
use satchel_tests::invariants;
use serde_json::{Value, json};

/// Everything that the service does with Redis, once.
async fn check_everything_works(satchel: &Satchel) {
    let game = satchel.game();
    let due = Utc::now() + TimeDelta::seconds(2);
    game.submit(&not_before(reward_pieces("u2", "arrow", 1), due)).await.expect(202);
    game.submit(&not_before(high(reward_pieces("u3", "arrow", 1)), due)).await.expect(202);
    game.submit(&json!([reward_pieces("u1", "arrow", 2), high(use_item("u1", "arrow", 1))])).await.expect(202);
    let waited = game.submit_and_wait(&use_item("u1", "arrow", 1)).await.expect(200).json();
    assert_eq!(waited["status"], "applied", "{waited}");
    let gold = reward_pieces("u1", "gold", 1);
    let first = game.submit_under("k", &gold).await.expect(202);
    assert_eq!(game.submit_under("k", &gold).await.job_id(), first.job_id());
    game.submit_under("k", &reward_pieces("u1", "gold", 2)).await.problem(422);
    let everywhere: Vec<Value> = one_per_shard().iter().map(|user| reward_pieces(user, "arrow", 1)).collect();
    game.submit(&json!(everywhere)).await.expect(202);

    poison::lay(satchel);
    let jobs = json!([poisonous(reward_pieces("u4", "arrow", 1)), use_item("u4", "arrow", 1)]);
    let parked = game.submit(&jobs).await.expect(202).job_ids();
    satchel.status_becomes(&parked[0], "parked").await;
    satchel.stats_become(&[("completed", 70)]).await;
    satchel.pause().await;
    let queued = game.submit(&reward_pieces("u5", "arrow", 1)).await.expect(202).job_id();
    let numbers = [("waiting", 2), ("active", 0), ("delayed", 0), ("completed", 70), ("failed", 1)];
    satchel.stats_become(&numbers).await;
    assert_eq!(satchel.job(&queued).await["status"], "queued");
    satchel.resume().await;
    poison::clear(satchel);
    satchel.retry(&parked[0]).await.expect(202);
    invariants::check(satchel).await;
    assert_eq!(satchel.outcomes(), "applied 73");
}

/// Redis remembers the commands that a user was not allowed, and counts them.
fn assert_nothing_was_denied(satchel: &Satchel) {
    assert_eq!(satchel.redis.commands.run(&["ACL", "LOG"]).trim(), "");
    let errors = satchel.redis.commands.run(&["INFO", "errorstats"]);
    assert!(!errors.contains("NOPERM"), "{errors}");
}

#[tokio::test]
async fn a_user_of_its_own_without_journal_is_denied_nothing_either() {
    let satchel = Setup::new().brisk().redis(RedisKind::OwnUser).workers(2).start().await;
    check_everything_works(&satchel).await;
    assert_nothing_was_denied(&satchel);
}

#[tokio::test]
async fn a_user_with_the_least_rights_is_enough_and_unreadable_settings_are_said_to_be_unknown() {
    let satchel = Setup::new().brisk().redis(RedisKind::OwnUser).journaled().workers(2).start().await;
    let ready = satchel.anyone().get("/readyz").await.expect(200).json();
    let redis = &ready["checks"]["redis"];
    assert_eq!((&redis["status"], &redis["durability"]["appendfsync"]), (&json!("ok"), &json!("unknown")), "{ready}");
    assert_eq!(redis["durability"]["appendonly"], "yes", "{ready}");
    // Said once, in the log: nobody can mend it here.
    assert_eq!(redis["warnings"], json!([]), "{ready}");
    satchel.anyone().get("/readyz").await.expect(200);
    assert_eq!(satchel.api_output().matches("does not show all of its settings").count(), 1);
    check_everything_works(&satchel).await;
    assert_nothing_was_denied(&satchel);
}

#[tokio::test]
async fn a_redis_behind_tls_that_asks_for_a_certificate_is_reached() {
    let satchel = Setup::new().brisk().redis(RedisKind::Tls).workers(2).start().await;
    satchel.anyone().get("/readyz").await.expect(200);
    check_everything_works(&satchel).await;
}

#[tokio::test]
async fn a_cluster_of_three_nodes_is_one_queue() {
    let satchel = Setup::new().brisk().redis(RedisKind::Cluster).workers(2).start().await;
    satchel.anyone().get("/readyz").await.expect(200);
    check_everything_works(&satchel).await;
    let nodes = satchel.redis.commands.run_everywhere(&["KEYS", "satchel:*"]);
    assert!(nodes.len() == 3 && nodes.iter().all(|keys| !keys.is_empty()), "each node has some of the shards");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_cluster_killed_and_restarted_under_load_loses_and_swaps_nothing() {
    let satchel = Setup::new().brisk().redis(RedisKind::Cluster).workers(2).start().await;
    let load = Endless::start(&satchel);
    for _ in 0..2 {
        load::more_accepted(&satchel, 100).await;
        satchel.redis.kill();
        satchel.redis.start();
    }
    load::more_accepted(&satchel, 100).await;
    load.stop().await;
    invariants::check(&satchel).await;
    load::assert_none_rejected(&satchel);
}
