//! Jobs with a `notBefore`.

use chrono::{DateTime, TimeDelta, Utc};
use nix::sys::signal::Signal;
use satchel_testkit::job::{high, not_before, reward_pieces, use_item};
use satchel_testkit::{Satchel, Setup, wait};
use satchel_tests::invariants;
use serde_json::{Value, json};

/// Far enough ahead that a loaded machine gets there in time, in seconds.
const SOON_S: i64 = 4;
/// A job that is due is applied this soon, on a machine that has more to do, in milliseconds.
const PROMPT_MS: i64 = 10_000;

/// That many seconds from now.
fn in_s(seconds: i64) -> DateTime<Utc> {
    Utc::now() + TimeDelta::seconds(seconds)
}

/// When a job was applied, by the database's clock, which is the machine's.
fn applied_at(satchel: &Satchel, job_id: &str) -> DateTime<Utc> {
    let sql = format!("SELECT applied_at FROM jobs WHERE job_id = '{job_id}'");
    let row = satchel.database.owner.rows(&sql).remove(0);
    row["applied_at"].as_str().unwrap().parse().unwrap()
}

/// Checks that it was applied when it was due, and soon.
fn check_applied_in_time(satchel: &Satchel, job_id: &str, due: DateTime<Utc>) {
    let late_ms = (applied_at(satchel, job_id) - due).num_milliseconds();
    assert!((0..PROMPT_MS).contains(&late_ms), "applied {late_ms} ms after it was due");
}

/// The user's changes in order.
async fn deltas(satchel: &Satchel, user: &str) -> Vec<Value> {
    satchel.history(user, "?order=asc").await.iter().map(|entry| entry["delta"].clone()).collect()
}

#[tokio::test]
async fn a_job_is_applied_when_it_is_due_and_its_players_other_jobs_do_not_wait_for_it() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    let due = in_s(SOON_S);
    let normal = game.submit(&not_before(reward_pieces("u1", "arrow", 10), due)).await.expect(202).job_id();
    let urgent = game.submit(&not_before(high(reward_pieces("u2", "arrow", 10)), due)).await.expect(202).job_id();
    game.submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    let job = satchel.job(&normal).await;
    assert_eq!((&job["status"], &job["type"]), (&json!("queued"), &json!("reward_inventory_item")), "{job}");
    invariants::check(&satchel).await;
    check_applied_in_time(&satchel, &normal, due);
    check_applied_in_time(&satchel, &urgent, due);
    assert_eq!(deltas(&satchel, "u1").await, [1, 10]);
}

#[tokio::test]
async fn delayed_jobs_of_a_player_are_applied_in_the_order_in_which_they_are_due() {
    let satchel = Satchel::start().await;
    let base = in_s(SOON_S);
    for step in [3, 1, 2, 0] {
        let due = base + TimeDelta::milliseconds(step * 100);
        let job = if step == 3 { use_item("u1", "arrow", 6) } else { reward_pieces("u1", "arrow", step + 1) };
        satchel.game().submit(&not_before(job, due)).await.expect(202);
    }
    invariants::check(&satchel).await;
    assert_eq!(deltas(&satchel, "u1").await, [1, 2, 3, -6]);
}

#[tokio::test]
async fn delayed_jobs_outlive_the_worker_and_redis() {
    let satchel = Setup::new().brisk().start().await;
    let due = in_s(SOON_S);
    let mut ids = Vec::new();
    for user in 0..20 {
        let job = not_before(reward_pieces(&format!("player-{user}"), "arrow", 1), due);
        ids.push(satchel.game().submit(&job).await.expect(202).job_id());
    }
    satchel.redis.kill();
    satchel.stop_worker(Signal::SIGKILL);
    satchel.redis.start();
    satchel.start_worker();
    invariants::check(&satchel).await;
    for id in &ids {
        assert!(applied_at(&satchel, id) >= due);
    }
    assert_eq!(satchel.outcomes(), "applied 20");
}

#[tokio::test]
async fn a_job_that_becomes_due_while_no_worker_lives_is_applied_by_the_next_one() {
    let satchel = Setup::new().workers(0).start().await;
    let due = in_s(1);
    let id = satchel.game().submit(&not_before(reward_pieces("u1", "arrow", 1), due)).await.expect(202).job_id();
    assert_eq!(satchel.redis.commands.delayed(), 1);
    wait::until_true("it is due", || Utc::now() > due).await;
    satchel.start_worker();
    satchel.finished(&id).await;
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_time_in_the_past_is_no_delay() {
    let satchel = Setup::new().workers(0).start().await;
    let jobs = json!([
        reward_pieces("u1", "arrow", 1),
        not_before(reward_pieces("u1", "arrow", 2), in_s(-3_600)),
        not_before(reward_pieces("u1", "arrow", 3), DateTime::UNIX_EPOCH),
        reward_pieces("u1", "arrow", 4),
    ]);
    satchel.game().submit(&jobs).await.expect(202);
    assert_eq!((satchel.redis.commands.waiting(), satchel.redis.commands.delayed()), (4, 0));
    satchel.start_worker();
    invariants::check(&satchel).await;
    assert_eq!(deltas(&satchel, "u1").await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_time_out_of_range_or_shape_is_refused() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    let day_s = 24 * 3_600;
    for time in [json!(in_s(90 * day_s + 600)), json!("tomorrow"), json!("2026-01-31"), json!(1_800_000_000)] {
        let mut job = reward_pieces("u1", "arrow", 1);
        job["notBefore"] = time;
        assert_eq!(game.submit(&job).await.pointers(), ["/notBefore"], "{job}");
        let answer = game.submit(&json!([reward_pieces("u1", "arrow", 1), job])).await.expect(202).json();
        assert_eq!(answer["jobs"][1]["problem"]["errors"][0]["pointer"], "/1/notBefore", "{answer}");
    }
    invariants::check(&satchel).await;
    // The last day that is allowed. Nobody waits for it: this test ends here.
    let id =
        game.submit(&not_before(reward_pieces("u1", "arrow", 1), in_s(90 * day_s - 600))).await.expect(202).job_id();
    assert_eq!(satchel.job(&id).await["status"], "queued");
    assert_eq!(satchel.redis.commands.delayed(), 1);
}

#[tokio::test]
async fn the_key_of_a_delayed_job_is_remembered_with_its_time() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    let due = in_s(SOON_S);
    let job = not_before(reward_pieces("u1", "arrow", 1), due);
    let id = game.submit_under("k", &job).await.expect(202).job_id();
    let again = game.submit_under("k", &job).await.expect(202);
    assert_eq!((again.job_id(), again.header("Idempotent-Replayed")), (id.clone(), "true"));
    let other = not_before(reward_pieces("u1", "arrow", 1), due + TimeDelta::seconds(1));
    game.submit_under("k", &other).await.problem(422);
    game.submit_under("k", &reward_pieces("u1", "arrow", 1)).await.problem(422);
    invariants::check(&satchel).await;
    assert_eq!(game.submit_under("k", &job).await.job_id(), id);
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 1)]);
    invariants::check(&satchel).await;
}

/// The moment counts, not when anybody looks: what comes after a job was due stays behind it, though nobody was there to
/// apply it.
#[tokio::test]
async fn a_job_submitted_after_another_was_due_stays_behind_it_while_no_worker_lives() {
    let satchel = Setup::new().workers(0).start().await;
    let game = satchel.game();
    let due = in_s(2);
    let reward = |user: &str| not_before(satchel_testkit::job::reward(user, json!(["vault", "key"])), due);
    game.submit(&json!([reward("u1"), reward("u2")])).await.expect(202);
    assert_eq!(satchel.redis.commands.delayed(), 2);
    wait::until_true("it is due", || Utc::now() > due).await;
    // A high job brings its player's others forward, so of one player there is none.
    let after = [use_item("u1", "vault", 1), use_item("u2", "vault", 1), high(reward_pieces("u2", "key", 1))];
    let mut ids = Vec::new();
    for job in &after {
        ids.push(game.submit(job).await.expect(202).job_id());
    }
    satchel.start_worker();
    for id in &ids {
        assert_eq!(satchel.finished(id).await["status"], "applied");
    }
    invariants::check(&satchel).await;
}

/// With workers at work: a plain job a few milliseconds after a delayed one was due, and two delayed ones that were
/// accepted in the other order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_follows_a_delayed_one_closely_stays_behind_it() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    let mut ids = Vec::new();
    for round in 0..8 {
        let (close, pair) = (format!("close-{round}"), format!("pair-{round}"));
        let due = Utc::now() + TimeDelta::milliseconds(700);
        let later = due + TimeDelta::milliseconds(5);
        let delayed = json!([
            not_before(reward_pieces(&close, "arrow", 1), due),
            not_before(use_item(&pair, "arrow", 1), later),
            not_before(reward_pieces(&pair, "arrow", 1), due),
        ]);
        ids.extend(game.submit(&delayed).await.expect(202).job_ids());
        wait::until_true("it is due", || Utc::now() > due + TimeDelta::milliseconds(2)).await;
        ids.push(game.submit(&use_item(&close, "arrow", 1)).await.expect(202).job_id());
    }
    for id in &ids {
        assert_eq!(satchel.finished(id).await["status"], "applied", "{id}");
    }
    invariants::check(&satchel).await;
}
