//! A Redis that forgets, without a journal (docs/FAULTS.md 33): the loss cannot be undone, but it is seen.

use chrono::{DateTime, Utc};
use nix::sys::signal::Signal;
use satchel_testkit::job::reward_pieces;
use satchel_testkit::{RedisKind, Satchel, Setup, wait};
use satchel_tests::invariants;
use serde_json::Value;

/// Waits until it was looked what Redis has, twice in every shard.
async fn looked_twice(satchel: &Satchel) {
    for _ in 0..2 {
        let now = satchel.database.owner.run("SELECT clock_timestamp()");
        let behind = format!("SELECT count(*) FROM queue_watermarks WHERE marked_at IS NULL OR marked_at < '{now}'");
        wait::until_true("every shard was looked at", || satchel.database.owner.number(&behind) == 0).await;
    }
}

async fn told(satchel: &Satchel) -> Value {
    wait::until("/readyz says that the queue began anew", || async {
        let report = satchel.anyone().get("/readyz").await.expect(200).json();
        let told = report["checks"]["queue"]["beganAnew"].clone();
        (!told.is_null()).then_some(told)
    })
    .await
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().expect("a time").parse().expect("a time")
}

async fn is_emptied(kind: RedisKind) {
    let satchel = Setup::new().brisk().redis(kind).start().await;
    satchel.game().submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    looked_twice(&satchel).await;
    let report = satchel.anyone().get("/readyz").await.expect(200).json();
    assert!(report["checks"]["queue"].get("beganAnew").is_none(), "{report}");
    assert!(!satchel.worker_output().contains("began anew"), "{}", satchel.worker_output());

    satchel.pause().await;
    let accepted = satchel.game().unlucky().submit(&reward_pieces("u2", "arrow", 1)).await.expect(202);
    let since = Utc::now();
    looked_twice(&satchel).await;
    satchel.redis.commands.run_everywhere(&["FLUSHALL"]);
    let told = told(&satchel).await;
    assert!(told["shards"].as_i64().unwrap() > 0, "{told}");
    assert!(time(&told["lostSince"]) <= since && time(&told["at"]) > since, "{told}");
    let line = "the queue has forgotten what it had and began anew";
    wait::until_true("the log says so", || satchel.worker_output().contains(line)).await;
    looked_twice(&satchel).await;
    let report = satchel.anyone().get("/readyz").await.expect(200).json();
    assert_eq!(report["checks"]["queue"]["beganAnew"]["shards"], 64, "{report}");
    assert!(report["checks"]["queue"]["warnings"].to_string().contains("may be gone"), "{report}");
    let metrics = satchel.anyone().get("/metrics").await.expect(200).text;
    assert!(metrics.contains("satchel_queue_shards_began_anew 64\n"), "{metrics}");
    satchel.operator().get(&format!("/api/v1/jobs/{}", accepted.job_id())).await.expect(404);

    satchel.resume().await;
    satchel.game().submit_and_wait(&reward_pieces("u2", "arrow", 5)).await.expect(200);
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u2").await, [("arrow".to_owned(), 5)]);
}

#[tokio::test]
async fn a_redis_that_is_emptied_is_noticed_and_later_jobs_are_fine() {
    is_emptied(RedisKind::OwnUser).await;
}

#[tokio::test]
async fn so_is_a_cluster() {
    is_emptied(RedisKind::Cluster).await;
}

#[tokio::test]
async fn a_redis_that_goes_back_to_an_earlier_state_is_noticed_and_restarts_are_none() {
    let satchel = Setup::new().brisk().workers(2).start().await;
    satchel.settled(2).await;
    looked_twice(&satchel).await;
    satchel.redis.kill();
    satchel.redis.save();
    satchel.redis.start();
    let saved = Utc::now();
    // Shards move, and both sides begin anew with what they had.
    satchel.stop_worker(Signal::SIGKILL);
    satchel.settled(1).await;
    satchel.start_worker();
    satchel.settled(2).await;
    satchel.stop_worker(Signal::SIGTERM);
    satchel.settled(1).await;
    looked_twice(&satchel).await;
    satchel.redis.kill();
    satchel.redis.start();
    looked_twice(&satchel).await;
    assert_eq!(
        satchel.database.owner.number("SELECT count(*) FROM queue_watermarks WHERE began_anew_at IS NOT NULL"),
        0
    );

    satchel.pause().await;
    satchel.game().unlucky().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
    satchel.redis.kill();
    satchel.redis.restore();
    satchel.redis.start();
    let told = told(&satchel).await;
    let lost_since = time(&told["lostSince"]);
    assert!(lost_since <= saved && (saved - lost_since).num_seconds() < 30, "{told}, saved at {saved}");
    satchel.resume().await;
    satchel.game().submit_and_wait(&reward_pieces("u1", "arrow", 5)).await.expect(200);
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 5)]);
}
