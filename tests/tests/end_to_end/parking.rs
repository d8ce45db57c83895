//! A job that fails every time is parked, and only its player waits (docs/FAULTS.md 23).

use chrono::DateTime;
use satchel_testkit::job::{high, reward_pieces, use_item};
use satchel_testkit::players::{neighbours, strangers};
use satchel_testkit::poison::{self, failing_with, poisonous};
use satchel_testkit::{Satchel, Setup, wait};
use satchel_tests::invariants;
use serde_json::{Value, json};

/// Jobs of `u1`. The second one is poisonous; the third needs what the first two give, the fifth what the fourth does.
fn sequence() -> Value {
    json!([
        reward_pieces("u1", "arrow", 1),
        poisonous(reward_pieces("u1", "arrow", 2)),
        use_item("u1", "arrow", 3),
        high(reward_pieces("u1", "arrow", 5)),
        use_item("u1", "arrow", 4),
    ])
}

/// A Satchel without workers, on which poisonous jobs are.
async fn start() -> Satchel {
    start_by(Setup::new()).await
}

async fn start_by(setup: Setup) -> Satchel {
    let satchel = setup.brisk().workers(0).start().await;
    poison::lay(&satchel);
    satchel
}

/// The changes of a player's arrows, in order.
async fn deltas(satchel: &Satchel, user: &str) -> Vec<i64> {
    let entries = satchel.history(user, "?order=asc&limit=100").await;
    entries.iter().map(|entry| entry["delta"].as_i64().unwrap()).collect()
}

fn texts(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn a_poison_job_in_the_middle_of_a_players_sequence_is_parked_and_released_in_order() {
    let satchel = start().await;
    let game = satchel.game();
    let mut ids = game.submit(&sequence()).await.expect(202).job_ids();
    let others = [neighbours("u1", 5), strangers("u1", 10)].concat();
    for other in &others {
        let jobs = json!([reward_pieces(other, "arrow", 2), use_item(other, "arrow", 1)]);
        game.submit(&jobs).await.expect(202);
    }
    satchel.start_worker();

    let parked = satchel.status_becomes(&ids[1], "parked").await;
    assert_eq!(parked["attempts"], 3, "{parked}");
    ids.push(game.submit(&reward_pieces("u1", "arrow", 7)).await.expect(202).job_id());
    let player = satchel.player("u1").get(&format!("/api/v1/jobs/{}", ids[5])).await.expect(200).json();
    assert_eq!(player["status"], "queued", "{player}");
    invariants::check_with_parked(&satchel, &[&texts(&ids[1..])]).await;
    assert_eq!(deltas(&satchel, "u1").await, [1]);
    for other in &others {
        assert_eq!(deltas(&satchel, other).await, [2, -1], "{other} did not wait");
    }

    let failed = satchel.failed().await;
    assert_eq!(failed.len(), 1, "{failed:?}");
    check_failed(&failed[0], &ids[1], 4);

    poison::clear(&satchel);
    let answer = satchel.retry(&ids[1]).await.expect(202).json();
    assert_eq!(answer, json!({"jobId": ids[1], "status": "retrying"}));
    invariants::check(&satchel).await;
    assert_eq!(deltas(&satchel, "u1").await, [1, 2, -3, 5, -4, 7]);
    assert!(satchel.failed().await.is_empty());
    let job = satchel.job(&ids[1]).await;
    assert_eq!((&job["status"], &job["attempts"]), (&json!("applied"), &json!(4)), "{job}");
    assert_eq!(satchel.outcomes(), format!("applied {}", 6 + 2 * others.len()));
}

/// How the poison job of [`sequence`] is listed, with so many jobs behind it.
fn check_failed(failed: &Value, job_id: &str, behind: usize) {
    assert_eq!(failed["jobId"], job_id, "{failed}");
    assert_eq!(
        (&failed["type"], &failed["userId"], &failed["status"], &failed["attempts"], &failed["heldBehind"]),
        (&json!("reward_inventory_item"), &json!("u1"), &json!("parked"), &json!(3), &json!(behind)),
        "{failed}"
    );
    assert!(failed["reason"].as_str().unwrap().contains(poison::MESSAGE), "{failed}");
    assert_eq!(failed["job"]["items"], json!([{"itemId": "arrow", "quantity": 2}]), "{failed}");
    let failures = failed["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 3, "{failed}");
    let mut before = DateTime::UNIX_EPOCH;
    for failure in failures {
        assert!(failure["error"].as_str().unwrap().contains(poison::MESSAGE), "{failure}");
        let at = DateTime::parse_from_rfc3339(failure["at"].as_str().unwrap()).unwrap().to_utc();
        assert!(at > before, "{failed}");
        before = at;
    }
}

#[tokio::test]
async fn a_parked_job_that_is_removed_is_rejected_and_kept_and_the_rest_goes_on() {
    let satchel = start().await;
    let ids = satchel.game().submit(&sequence()).await.expect(202).job_ids();
    satchel.start_worker();
    satchel.status_becomes(&ids[1], "parked").await;
    let answer = satchel.remove(&ids[1]).await.expect(200).json();
    assert_eq!(answer, json!({"jobId": ids[1], "status": "rejected"}));
    invariants::check(&satchel).await;
    // Without the two arrows the use of three is rejected; the fifth job has what it needs.
    assert_eq!(deltas(&satchel, "u1").await, [1, 5, -4]);
    let removed = satchel.job(&ids[1]).await;
    assert_eq!((&removed["status"], &removed["result"]["code"]), (&json!("rejected"), &json!("removed")), "{removed}");
    let archived =
        satchel.database.owner.rows("SELECT job_id, user_id, archived_by, reason, attempts FROM archived_jobs");
    let expected = json!([{"job_id": ids[1], "user_id": "u1", "archived_by": "operator:ops", "reason": "removed",
                           "attempts": 3}]);
    assert_eq!(json!(archived), expected);
    // It is decided: nothing more can be done with it.
    satchel.retry(&ids[1]).await.problem(409);
    satchel.remove(&ids[1]).await.problem(409);
}

#[tokio::test]
async fn after_a_removal_the_next_job_is_tried_and_parked_in_its_turn() {
    let satchel = start().await;
    let jobs = json!([
        poisonous(reward_pieces("u1", "arrow", 1)),
        poisonous(reward_pieces("u1", "arrow", 2)),
        reward_pieces("u1", "arrow", 3),
        reward_pieces("u1", "arrow", 4),
    ]);
    let ids = satchel.game().submit(&jobs).await.expect(202).job_ids();
    satchel.start_worker();
    satchel.status_becomes(&ids[0], "parked").await;
    satchel.remove(&ids[0]).await.expect(200);
    let parked = satchel.status_becomes(&ids[1], "parked").await;
    assert_eq!(parked["attempts"], 3, "{parked}");
    invariants::check_with_parked(&satchel, &[&texts(&ids[1..])]).await;
    satchel.remove(&ids[1]).await.expect(200);
    invariants::check(&satchel).await;
    assert_eq!(deltas(&satchel, "u1").await, [3, 4]);
}

#[tokio::test]
async fn a_job_that_is_still_poisonous_when_it_is_tried_again_is_parked_again() {
    let satchel = start().await;
    let ids = satchel.game().submit(&sequence()).await.expect(202).job_ids();
    satchel.start_worker();
    satchel.status_becomes(&ids[1], "parked").await;
    let first = satchel.failed().await.remove(0);
    satchel.retry(&ids[1]).await.expect(202);
    wait::until("it is parked a second time", || async {
        let job = satchel.job(&ids[1]).await;
        (job["status"] == "parked" && job["attempts"] == 6).then_some(())
    })
    .await;
    let second = satchel.failed().await.remove(0);
    assert_eq!(second["failures"].as_array().unwrap().len(), 6, "{second}");
    assert_ne!(first["parkedAt"], second["parkedAt"]);
    invariants::check_with_parked(&satchel, &[&texts(&ids[1..])]).await;
    poison::clear(&satchel);
    satchel.retry(&ids[1]).await.expect(202);
    invariants::check(&satchel).await;
    assert_eq!(deltas(&satchel, "u1").await, [1, 2, -3, 5, -4]);
}

#[tokio::test]
async fn a_worker_killed_while_a_job_is_retried_counts_no_attempt_twice() {
    let satchel = start_by(Setup::new().worker_env("SATCHEL_JOB_RETRY_MS", "1000")).await;
    let ids = satchel.game().submit(&sequence()).await.expect(202).job_ids();
    satchel.start_worker();
    for attempts in 1..=2 {
        wait::until(&format!("it has failed {attempts} times"), || async {
            let job = satchel.job(&ids[1]).await;
            assert!(attempts == 1 || job["status"] == "retrying", "{job}");
            (job["status"] == "retrying" && job["attempts"] == attempts).then_some(())
        })
        .await;
        satchel.kill_workers();
        satchel.start_worker();
    }
    let parked = satchel.status_becomes(&ids[1], "parked").await;
    assert_eq!(parked["attempts"], 3, "{parked}");
    invariants::check_with_parked(&satchel, &[&texts(&ids[1..])]).await;
    check_failed(&satchel.failed().await[0], &ids[1], 3);
    // Redis need not remember any of them.
    satchel.kill_workers();
    satchel.redis.commands.run(&["FLUSHALL"]);
    poison::clear(&satchel);
    satchel.start_worker();
    satchel.retry(&ids[1]).await.expect(202);
    invariants::check(&satchel).await;
    assert_eq!(deltas(&satchel, "u1").await, [1, 2, -3, 5, -4]);
}

#[tokio::test]
async fn the_keys_of_parked_jobs_are_remembered() {
    let satchel = start().await;
    let game = satchel.game();
    let jobs = [poisonous(reward_pieces("u1", "arrow", 1)), reward_pieces("u1", "arrow", 1)];
    let mut ids = Vec::new();
    for (key, job) in ["poison", "behind"].into_iter().zip(&jobs) {
        ids.push(game.submit_under(key, job).await.expect(202).job_id());
    }
    satchel.start_worker();
    satchel.status_becomes(&ids[0], "parked").await;
    invariants::check_with_parked(&satchel, &[&texts(&ids)]).await;
    for flushed in [false, true] {
        if flushed {
            satchel.redis.commands.run(&["FLUSHALL"]);
        }
        for ((key, job), id) in ["poison", "behind"].into_iter().zip(&jobs).zip(&ids) {
            let again = game.submit_under(key, job).await.expect(202);
            assert_eq!((&again.job_id(), again.header("Idempotent-Replayed")), (id, "true"), "{again:?}");
            game.submit_under(key, &reward_pieces("u1", "arrow", 9)).await.problem(422);
        }
    }
    invariants::check_with_parked(&satchel, &[&texts(&ids)]).await;
    poison::clear(&satchel);
    satchel.retry(&ids[0]).await.expect(202);
    invariants::check(&satchel).await;
    assert_eq!(deltas(&satchel, "u1").await, [1, 1]);
}

#[tokio::test]
async fn a_job_says_that_it_is_retried_and_the_ones_behind_it_that_they_are_queued() {
    // So long that it is not tried a second time unless someone sees to it.
    let satchel = start_by(Setup::new()).await;
    let ids = satchel.game().submit(&sequence()).await.expect(202).job_ids();
    satchel.start_worker_with(&[("SATCHEL_JOB_RETRY_MS", "300000")]);
    let job = satchel.status_becomes(&ids[1], "retrying").await;
    assert_eq!((&job["attempts"], &job["userId"]), (&json!(1), &json!("u1")), "{job}");
    for held in &ids[2..] {
        let job = satchel.job(held).await;
        assert_eq!((&job["status"], &job["attempts"]), (&json!("queued"), &json!(0)), "{job}");
    }
    satchel.player("u2").get(&format!("/api/v1/jobs/{}", ids[1])).await.problem(404);
    // It is not parked, so there is nothing to do with it yet.
    assert!(satchel.failed().await.is_empty());
    satchel.retry(&ids[1]).await.problem(409);
    satchel.remove(&ids[2]).await.problem(409);
    poison::clear(&satchel);
    satchel.database.owner.run("UPDATE parked_jobs SET next_attempt_at = now() WHERE state = 'retrying'");
    invariants::check(&satchel).await;
    assert_eq!(deltas(&satchel, "u1").await, [1, 2, -3, 5, -4]);
    assert_eq!(satchel.job(&ids[1]).await["attempts"], 2);
}

#[tokio::test]
async fn errors_that_lie_in_the_job_park_it_and_many_players_at_once() {
    let satchel = start().await;
    let mut chains = Vec::new();
    // All in one shard, and so in one batch with players whose jobs are good.
    let users = neighbours("u1", 8);
    for (user, sqlstate) in users.iter().zip(["P0001", "22003", "23514", "23505", "XX000"]) {
        let jobs = json!([
            reward_pieces(user, "arrow", 1),
            failing_with(sqlstate, reward_pieces(user, "arrow", 1)),
            use_item(user, "arrow", 2),
        ]);
        chains.push(satchel.game().submit(&jobs).await.expect(202).job_ids().split_off(1));
    }
    for user in &users[5..] {
        satchel.game().submit(&reward_pieces(user, "arrow", 1)).await.expect(202);
    }
    satchel.start_worker();
    let chains: Vec<Vec<&str>> = chains.iter().map(|chain| texts(chain)).collect();
    let parked: Vec<&[&str]> = chains.iter().map(Vec::as_slice).collect();
    for chain in &parked {
        satchel.status_becomes(chain[0], "parked").await;
    }
    invariants::check_with_parked(&satchel, &parked).await;
    assert_eq!(satchel.outcomes(), "applied 8");
    poison::clear(&satchel);
    for chain in &parked {
        satchel.retry(chain[0]).await.expect(202);
    }
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 18");
}

#[tokio::test]
async fn a_job_that_takes_too_long_among_many_of_its_shard_is_found_and_parked() {
    let satchel = start().await;
    let users = neighbours("u1", 99);
    let mut jobs: Vec<Value> = users.iter().map(|user| reward_pieces(user, "arrow", 1)).collect();
    jobs.insert(60, failing_with("57014", reward_pieces("u1", "arrow", 1)));
    let ids = satchel.game().submit(&json!(jobs)).await.expect(202).job_ids();
    satchel.start_worker();
    satchel.status_becomes(&ids[60], "parked").await;
    invariants::check_with_parked(&satchel, &[&[&ids[60]]]).await;
    assert_eq!(satchel.outcomes(), "applied 99");
    poison::clear(&satchel);
    satchel.retry(&ids[60]).await.expect(202);
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 100");
}

#[tokio::test]
async fn errors_that_lie_in_the_database_park_nothing() {
    let satchel = start().await;
    for (user, sqlstate) in neighbours("u1", 3).iter().zip(["53100", "40001", "55P03"]) {
        let jobs = json!([failing_with(sqlstate, reward_pieces(user, "arrow", 1)), use_item(user, "arrow", 1)]);
        satchel.game().submit(&jobs).await.expect(202);
    }
    satchel.start_worker();
    let said = || satchel.worker_output().matches(poison::MESSAGE).count();
    wait::until_true("the worker has met the error more than once", || said() > 1).await;
    assert_eq!(satchel.database.owner.number("SELECT count(*) FROM parked_jobs"), 0);
    poison::clear(&satchel);
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 6");
}
