//! What operators see and do: statistics, pause and resume, failed jobs by the many, the record of it all.

use chrono::{DateTime, TimeDelta, Utc};
use nix::sys::signal::Signal;
use reqwest::Method;
use satchel_testkit::job::{high, not_before, reward_pieces, use_item};
use satchel_testkit::load::{self, Endless};
use satchel_testkit::players::{shard_of, strangers};
use satchel_testkit::poison::{self, poisonous};
use satchel_testkit::token::{ALL_SCOPES, token};
use satchel_testkit::{Satchel, Setup};
use satchel_tests::invariants;
use serde_json::{Value, json};

/// How far ahead the delayed job of the statistics is: so far that it is counted before it is due, in seconds.
const DELAY_S: i64 = 8;

/// What the parts of the statistics, shards or workers, add up to.
fn sum(stats: &Value, parts: &str, name: &str) -> i64 {
    stats[parts].as_array().unwrap().iter().map(|part| part[name].as_i64().unwrap()).sum()
}

#[tokio::test]
async fn statistics_count_what_waits_what_is_decided_and_what_failed() {
    let satchel = Setup::new().brisk().workers(2).start().await;
    satchel.settled(2).await;
    poison::lay(&satchel);
    let game = satchel.game();
    let jobs =
        json!([poisonous(reward_pieces("u1", "arrow", 1)), use_item("u1", "arrow", 1), use_item("u1", "key", 1)]);
    let failed = game.submit(&jobs).await.expect(202).job_ids();
    satchel.status_becomes(&failed[0], "parked").await;
    game.submit_and_wait(&use_item("u2", "arrow", 1)).await.expect(200);
    satchel.pause().await;
    let users = strangers("u1", 35);
    let mut jobs: Vec<Value> = users.iter().map(|user| reward_pieces(user, "arrow", 1)).collect();
    jobs.iter_mut().step_by(7).for_each(|job| *job = high(job.clone()));
    let due = Utc::now() + TimeDelta::seconds(DELAY_S);
    jobs.push(not_before(reward_pieces("u3", "arrow", 1), due));
    game.submit(&json!(jobs)).await.expect(202);

    let numbers = [("waiting", 37), ("active", 0), ("delayed", 1), ("completed", 1), ("failed", 1)];
    let stats = satchel.stats_become(&numbers).await;
    assert_eq!((&stats["queue"], &stats["paused"]), (&json!("jobs"), &json!(true)), "{stats}");
    assert!(stats["oldestWaitingMs"].as_i64().unwrap() > 0, "{stats}");
    assert!(stats["rates"]["completedPerSecond"].is_number(), "{stats}");
    for (name, number) in numbers {
        assert_eq!(sum(&stats, "shards", name), number, "{name}: {stats}");
    }
    let shards = stats["shards"].as_array().unwrap();
    assert_eq!(shards.len(), 64);
    assert!(shards.iter().all(|shard| shard["owner"].is_string() && shard["rates"].is_object()), "{stats}");
    let own = shards.iter().find(|shard| shard["shard"] == shard_of("u1").get()).unwrap();
    assert_eq!((&own["waiting"], &own["failed"]), (&json!(2), &json!(1)), "{own}");
    assert_eq!((stats["workers"].as_array().unwrap().len(), sum(&stats, "workers", "shards")), (2, 64), "{stats}");

    satchel.resume().await;
    satchel.remove(&failed[0]).await.expect(200);
    invariants::check(&satchel).await;
    let numbers = [("waiting", 0), ("active", 0), ("delayed", 0), ("completed", 40), ("failed", 0)];
    let stats = satchel.stats_become(&numbers).await;
    assert_eq!((&stats["paused"], &stats["oldestWaitingMs"]), (&json!(false), &Value::Null), "{stats}");
}

#[tokio::test]
async fn repetitions_of_what_waits_are_one_waiting_job() {
    let satchel = Setup::new().brisk().start().await;
    satchel.settled(1).await;
    satchel.pause().await;
    let game = satchel.game();
    let (job, urgent) = (reward_pieces("u1", "gold", 1), high(reward_pieces("u1", "gold", 2)));
    let array = json!([
        {"type": "reward_inventory_item", "userId": "u2", "items": ["key"], "idempotencyKey": "k2"},
        {"type": "reward_inventory_item", "userId": "u3", "items": ["key"], "idempotencyKey": "k3"},
    ]);
    for _ in 0..5 {
        game.submit_until_accepted("k", &job).await;
        game.submit_until_accepted("high", &urgent).await;
        game.submit(&array).await.expect(202);
    }
    assert_eq!(game.submit_under("k", &job).await.expect(202).header("Idempotent-Replayed"), "true");
    satchel.stats_become(&[("waiting", 4), ("completed", 0)]).await;

    // One that Redis has lost meanwhile is queued again: its repetition is no false promise.
    for stream in satchel.redis.commands.streams() {
        satchel.redis.commands.run(&["DEL", &stream]);
    }
    satchel.stats_become(&[("waiting", 0)]).await;
    game.submit_under("k", &job).await.expect(202);
    game.submit_under("high", &urgent).await.expect(202);
    game.submit(&array).await.expect(202);
    satchel.stats_become(&[("waiting", 4)]).await;
    satchel.resume().await;
    satchel.stats_become(&[("waiting", 0), ("active", 0), ("completed", 4)]).await;
    assert_eq!(satchel.holdings("u1").await, [("gold".to_owned(), 3)]);
    invariants::check(&satchel).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_queue_applies_nothing_whatever_is_restarted_until_it_is_resumed() {
    let satchel = Setup::new().brisk().own_postgres().workers(2).start().await;
    let load = Endless::start(&satchel);
    load::more_accepted(&satchel, 200).await;
    let answer = satchel.operate(Method::POST, "pause", Some(&json!({"reason": "sale"}))).await.expect(200).json();
    assert_eq!(
        (&answer["queue"], &answer["paused"], &answer["changedBy"], &answer["reason"]),
        (&json!("jobs"), &json!(true), &json!("operator:ops"), &json!("sale")),
        "{answer}"
    );
    let decided = satchel.decided();
    let still = async |what: &str| {
        load::more_accepted(&satchel, 50).await;
        satchel.settled(2).await;
        assert_eq!(satchel.decided(), decided, "something was applied: {what}");
        assert_eq!(satchel.stats().await["paused"], true, "{what}");
    };
    still("under load").await;
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        satchel.stop_worker(signal);
        satchel.start_worker();
        still("after a worker was replaced").await;
    }
    satchel.kill_api();
    satchel.start_api().await;
    still("after the API was restarted").await;
    satchel.redis.kill();
    satchel.redis.start();
    still("after Redis was restarted").await;
    satchel.database.server.crash();
    satchel.database.server.start();
    still("after Postgres was restarted").await;

    let answer = satchel.resume().await.json();
    assert_eq!((&answer["paused"], &answer["reason"]), (&json!(false), &Value::Null), "{answer}");
    load::more_accepted(&satchel, 50).await;
    load.stop().await;
    invariants::check(&satchel).await;
    load::assert_none_rejected(&satchel);
}

/// An answered operation: its request, its name in the record, and the job it is about.
struct Done {
    request_id: String,
    action: &'static str,
    job_id: Value,
}

#[tokio::test]
async fn every_action_is_recorded_with_who_when_and_what() {
    let satchel = Setup::new().brisk().start().await;
    poison::lay(&satchel);
    let mut ids = Vec::new();
    for user in ["u1", "u2", "u3"] {
        let job = poisonous(reward_pieces(user, "arrow", 1));
        ids.push(satchel.game().submit(&job).await.expect(202).job_id());
        satchel.status_becomes(&ids[ids.len() - 1], "parked").await;
    }
    poison::clear(&satchel);
    let ann = satchel.anyone().with(&token("operator", "ann", ""));
    let began = Utc::now();
    let mut done = Vec::new();
    let (retry, remove) = (format!("failed/{}/retry", ids[0]), format!("failed/{}", ids[1]));
    for (method, path, body, status, action, job_id) in [
        (Method::POST, "pause", json!({"reason": "maintenance"}), 200, "pause", Value::Null),
        (Method::POST, retry.as_str(), json!({}), 202, "retry", json!(ids[0])),
        (Method::DELETE, remove.as_str(), json!({}), 200, "remove", json!(ids[1])),
        (Method::POST, "failed/retry", json!({"type": "reward_inventory_item"}), 200, "retry", Value::Null),
        (Method::POST, "clean", json!({}), 200, "clean", Value::Null),
        (Method::POST, "resume", json!({}), 200, "resume", Value::Null),
    ] {
        let request = ann.request(method, &format!("/api/v1/queues/{path}")).json(&body);
        let answer = ann.send(request).await.expect(status);
        done.push(Done { request_id: answer.header("X-Request-Id").to_owned(), action, job_id });
    }
    // What came to nothing is no action.
    satchel.retry(&ids[1]).await.problem(409);
    invariants::check(&satchel).await;

    let actions = satchel.actions().await;
    assert_eq!(actions.len(), done.len(), "{actions:?}");
    for (action, done) in actions.iter().rev().zip(&done) {
        assert_eq!(
            (&action["actor"], &action["requestId"], &action["action"], &action["jobId"]),
            (&json!("operator:ann"), &json!(done.request_id), &json!(done.action), &done.job_id),
            "{action}"
        );
        let at = DateTime::parse_from_rfc3339(action["at"].as_str().unwrap()).unwrap();
        assert!((began..=Utc::now()).contains(&at.to_utc()), "{action}");
    }
    assert_eq!(actions[5]["detail"]["reason"], "maintenance", "{actions:?}");
    assert_eq!(actions[2]["detail"]["jobIds"], json!([ids[2]]), "{actions:?}");
    check_pages(&satchel, "actions", &actions).await;
    for statement in ["UPDATE operator_actions SET actor = 'operator:bob'", "DELETE FROM operator_actions"] {
        satchel.database.api.try_run(statement).unwrap_err();
        satchel.database.owner.try_run(statement).unwrap_err();
    }
}

/// Checks that the pages of a list are the whole list.
async fn check_pages(satchel: &Satchel, list: &str, expected: &[Value]) {
    let name = if list == "actions" { "actions" } else { "jobs" };
    let mut found = Vec::new();
    let mut path = format!("{list}?limit=2");
    loop {
        let page = satchel.operate(Method::GET, &path, None).await.expect(200).json();
        found.extend(page[name].as_array().unwrap().clone());
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        assert_eq!(page[name].as_array().unwrap().len(), 2, "{page}");
        path = format!("{list}?limit=2&cursor={cursor}");
    }
    assert_eq!(found, expected, "{list}");
    satchel.operate(Method::GET, &format!("{list}?cursor=nonsense"), None).await.problem(400);
    satchel.operate(Method::GET, &format!("{list}?limit=0"), None).await.problem(400);
}

#[tokio::test]
async fn failed_jobs_are_retried_and_removed_many_at_once_by_what_they_have_in_common() {
    let satchel = Setup::new().brisk().start().await;
    poison::lay(&satchel);
    let mut ids = Vec::new();
    for (number, user) in strangers("u1", 6).iter().enumerate() {
        satchel.game().submit_and_wait(&reward_pieces(user, "arrow", 1)).await.expect(200);
        let job = if number < 3 { reward_pieces(user, "arrow", 1) } else { use_item(user, "arrow", 1) };
        ids.push(satchel.game().submit(&poisonous(job)).await.expect(202).job_id());
        satchel.status_becomes(&ids[number], "parked").await;
    }
    let users: Vec<Value> = satchel.failed().await.iter().map(|job| job["userId"].clone()).collect();
    assert_eq!(json!(users), json!(strangers("u1", 6)), "the first parked first");
    check_pages(&satchel, "failed", &satchel.failed().await).await;

    let retried = async |filter: Value, expected: &[String]| {
        let answer = satchel.operate(Method::POST, "failed/retry", Some(&filter)).await.expect(200).json();
        check_many(&answer, "retried", expected);
        for id in expected {
            satchel.status_becomes(id, "parked").await;
        }
    };
    retried(json!({"type": "use_item"}), &ids[3..]).await;
    retried(json!({"userId": users[0]}), &ids[..1]).await;
    retried(json!({"jobIds": ids[1..3]}), &ids[1..3]).await;
    retried(json!({"jobIds": ids[1..3], "type": "use_item"}), &[]).await;
    retried(json!({}), &ids).await;
    for (id, attempts) in ids.iter().zip([9; 6]) {
        assert_eq!(satchel.job(id).await["attempts"], attempts);
    }

    // Removing cannot be undone, so it must be said what.
    for wrong in [json!({}), json!({"colour": "red"}), json!({"jobIds": []}), json!({"parkedBefore": "soon"})] {
        satchel.operate(Method::POST, "failed/remove", Some(&wrong)).await.problem(422);
    }
    let removed = async |filter: Value, expected: &[String]| {
        let answer = satchel.operate(Method::POST, "failed/remove", Some(&filter)).await.expect(200).json();
        check_many(&answer, "removed", expected);
    };
    removed(json!({"parkedBefore": "2001-01-01T00:00:00Z"}), &[]).await;
    removed(json!({"userId": users[0]}), &ids[..1]).await;
    removed(json!({"type": "use_item", "parkedBefore": Utc::now() + TimeDelta::hours(1)}), &ids[3..]).await;
    poison::clear(&satchel);
    let rest = satchel.operate(Method::POST, "failed/retry", None).await.expect(200).json();
    check_many(&rest, "retried", &ids[1..3]);
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 8, rejected 4");
}

/// How an operation on many jobs is answered.
fn check_many(answer: &Value, name: &str, expected: &[String]) {
    let mut found: Vec<&str> = answer["jobIds"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{answer}");
    assert_eq!((&answer[name], &answer["hasMore"]), (&json!(expected.len()), &json!(false)), "{answer}");
}

#[tokio::test]
async fn a_job_that_is_not_parked_is_neither_retried_nor_removed() {
    let satchel = Satchel::start().await;
    let applied = satchel.game().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202).job_id();
    satchel.finished(&applied).await;
    satchel.retry(&applied).await.problem(409);
    satchel.remove(&applied).await.problem(409);
    for unknown in ["01890a5d-ac96-774b-bcce-b302099a8057", "nonsense"] {
        satchel.retry(unknown).await.problem(404);
        satchel.remove(unknown).await.problem(404);
    }
    assert!(satchel.actions().await.is_empty());
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn only_operators_operate() {
    let satchel = Satchel::start().await;
    let id = satchel.game().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202).job_id();
    let (retry, remove) = (format!("failed/{id}/retry"), format!("failed/{id}"));
    for (method, path) in [
        (Method::GET, "stats"),
        (Method::GET, "failed"),
        (Method::GET, "actions"),
        (Method::POST, &retry),
        (Method::DELETE, &remove),
        (Method::POST, "failed/retry"),
        (Method::POST, "failed/remove"),
        (Method::POST, "clean"),
        (Method::POST, "pause"),
        (Method::POST, "resume"),
    ] {
        for (caller, status) in
            [(satchel.anyone(), 401), (satchel.player("u1"), 403), (satchel.service("game", ALL_SCOPES), 403)]
        {
            let request = caller.request(method.clone(), &format!("/api/v1/queues/{path}")).json(&json!({}));
            caller.send(request).await.problem(status);
        }
    }
    assert_eq!(satchel.stats().await["paused"], false);
    assert!(satchel.actions().await.is_empty());
    invariants::check(&satchel).await;
}
