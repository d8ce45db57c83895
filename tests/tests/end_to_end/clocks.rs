//! Clocks that are wrong or are set: of workers (docs/FAULTS.md 21), since leases and delays go by the stores' clocks, of
//! Postgres (31), and of an API.

use chrono::{DateTime, TimeDelta, Utc};
use nix::sys::signal::Signal;
use satchel_testkit::clock::{Steered, shifted};
use satchel_testkit::job::{not_before, reward_pieces};
use satchel_testkit::load::{self, Endless};
use satchel_testkit::{Satchel, Setup, wait};
use satchel_tests::invariants;
use serde_json::json;

/// How long the job of the test is delayed, in seconds.
const DELAY_S: i64 = 5;

/// Starts a worker whose clock is off by `offset`.
fn start_shifted(satchel: &Satchel, offset: &str) {
    let env = shifted(offset);
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    satchel.start_worker_with(&env);
}

/// By how much the `n`th worker's clock is ahead, by what it logs: seconds.
fn ahead_s(satchel: &Satchel, n: usize) -> i64 {
    let output = satchel.nth_worker_output(n);
    let time = output.split_whitespace().next().expect("a line that begins with a time");
    (time.parse::<DateTime<Utc>>().unwrap() - Utc::now()).num_seconds()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_an_hour_ahead_and_behind_keep_leases_order_and_delays() {
    let satchel = Setup::new().brisk().workers(0).start().await;
    for offset in ["+1h", "-1h", "+0"] {
        start_shifted(&satchel, offset);
    }
    satchel.settled(3).await;
    assert!(ahead_s(&satchel, 0) > 3_000 && ahead_s(&satchel, 1) < -3_000, "the clocks are not shifted");

    let load = Endless::start(&satchel);
    let due = Utc::now() + TimeDelta::seconds(DELAY_S);
    for player in 0..20 {
        let job = not_before(reward_pieces(&format!("later-{player}"), "arrow", 1), due);
        satchel.game().submit(&job).await.expect(202);
    }
    load::more_accepted(&satchel, 200).await;
    // The one that is ahead freezes, and the others do not think that it lives for an hour to come.
    satchel.signal_nth_worker(0, Signal::SIGSTOP);
    satchel.settled(2).await;
    satchel.signal_nth_worker(0, Signal::SIGCONT);
    satchel.settled(3).await;
    // The one that is behind dies, and another one comes.
    satchel.stop_nth_worker(1, Signal::SIGKILL);
    satchel.settled(2).await;
    start_shifted(&satchel, "-1h");
    satchel.settled(3).await;
    load::more_accepted(&satchel, 200).await;
    load.stop().await;
    invariants::check(&satchel).await;
    load::assert_none_rejected(&satchel);

    let owner = &satchel.database.owner;
    let early = format!("SELECT count(*) FROM jobs WHERE user_id LIKE 'later-%' AND applied_at < '{due}'");
    assert_eq!(owner.number(&early), 0, "a delayed job was applied before its time");
    let strange = "SELECT count(*) FROM jobs WHERE abs(extract(epoch FROM clock_timestamp() - applied_at)) > 1800";
    assert_eq!(owner.number(strange), 0, "a job was applied at a time by a worker's clock");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_set_back_and_ahead_while_a_worker_dies_leaves_no_shard_standing() {
    let clock = Steered::right();
    let satchel = Setup::new().brisk().postgres_clock(&clock).workers(2).start().await;
    satchel.settled(2).await;
    let load = Endless::start(&satchel);
    // A dead worker's lease would otherwise last for these minutes as well.
    for offset in ["-120", "-240", "+120"] {
        load::more_accepted(&satchel, 100).await;
        satchel.stop_nth_worker(0, Signal::SIGKILL);
        clock.set(offset);
        satchel.settled(1).await;
        satchel.start_worker();
        satchel.settled(2).await;
    }
    load::more_accepted(&satchel, 100).await;
    load.stop().await;
    invariants::check(&satchel).await;
    load::assert_none_rejected(&satchel);
}

#[tokio::test]
async fn an_api_whose_clock_is_a_month_off_takes_nothing_until_it_is_right() {
    let clock = Steered::right();
    let satchel = Setup::new().api_clock(&clock).start().await;
    let game = satchel.game();
    let job = reward_pieces("u1", "arrow", 1);
    game.submit(&job).await.expect(202);
    // With this, jobs that were accepted would be expired when they are applied; with the other, no token is good.
    for (rights, (offset, direction, sign)) in
        [("-31d", "behind", "-"), ("+31d", "ahead of", "")].into_iter().enumerate()
    {
        clock.set(offset);
        let event = json!({"id": offset, "name": "planet/completed", "userId": "u1", "data": {}});
        for refused in [game.submit(&job).await, game.tell(&event).await] {
            refused.problem(503);
            assert!(
                !refused.header("Retry-After").is_empty() && refused.text.contains("clock is wrong"),
                "{refused:?}"
            );
        }
        let report = satchel.anyone().get("/readyz").await.expect(503).json();
        let check = &report["checks"]["clock"];
        let reason = check["reason"].as_str().unwrap();
        assert!(reason.starts_with("this machine's clock is 267") && reason.contains(direction), "{report}");
        assert_eq!((&check["status"], &report["checks"]["postgres"]["status"]), (&"wrong".into(), &"ok".into()));
        let said = format!("s {direction} Postgres's: no jobs are taken until it is right");
        wait::until_true("the log says so", || satchel.api_output().contains(&said)).await;
        let metrics = satchel.anyone().get("/metrics").await.expect(200).text;
        assert!(metrics.contains(&format!("satchel_api_clock_offset_seconds {sign}267")), "{metrics}");
        clock.set("+0");
        game.submit(&job).await.expect(202);
        satchel.anyone().get("/readyz").await.expect(200);
        let times_right = || satchel.api_output().matches("this machine's clock is right again").count();
        wait::until_true("the log says that it is right", || times_right() == rights + 1).await;
    }
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 3");
}
