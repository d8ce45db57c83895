//! Many workers, one order (docs/FAULTS.md 4, 24): how exact the order is, and how long shards wait when workers come and go.

use nix::sys::signal::Signal;
use satchel_testkit::load::{self, Endless};
use satchel_testkit::{Satchel, Setup, service_gaps, soak};
use satchel_tests::invariants;

/// What a machine that runs other tests at the same time may add to any time, in milliseconds.
const LOADED_MACHINE_MS: i64 = 2_000;
/// The longest that a shard may wait when workers come or go in order, in milliseconds.
const HAND_OVER_MS: i64 = 2_000;

/// Ends the load, checks everything, and that no shard waited longer than that.
async fn check_gaps(name: &str, satchel: &Satchel, load: Endless, longest_ms: i64) {
    load.stop().await;
    invariants::check(satchel).await;
    load::assert_none_rejected(satchel);
    let found_ms = service_gaps::longest_ms(satchel);
    println!("{name}: no shard waited longer than {found_ms} ms");
    assert!(found_ms < longest_ms + LOADED_MACHINE_MS, "{name}: a shard waited {found_ms} ms");
}

/// Jobs of about a second and a half of the load over all shards.
const A_WHILE_JOBS: usize = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_workers_killed_stopped_and_frozen_under_load_keep_the_exact_order_however_long() {
    let satchel = Setup::new().brisk().workers(4).start().await;
    satchel.settled(4).await;
    let load = Endless::start(&satchel);
    for fault in 0..soak::rounds(10, 20) {
        load::more_accepted(&satchel, 40).await;
        let victim = fault % 4;
        match fault % 5 {
            0 | 2 => {
                satchel.stop_nth_worker(victim, Signal::SIGKILL);
                satchel.start_worker();
            }
            1 | 3 => {
                let status = satchel.stop_nth_worker(victim, Signal::SIGTERM);
                assert_eq!(status.code(), Some(0), "{status}");
                satchel.start_worker();
            }
            _ => {
                // Those killed before count as alive for a while, too.
                satchel.settled(4).await;
                satchel.signal_nth_worker(victim, Signal::SIGSTOP);
                satchel.settled(3).await;
                load::more_accepted(&satchel, 40).await;
                satchel.signal_nth_worker(victim, Signal::SIGCONT);
            }
        }
    }
    load.stop().await;
    invariants::check(&satchel).await;
    load::assert_none_rejected(&satchel);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_one_worker_to_four_to_two_no_shard_is_idle_for_long() {
    let satchel = Setup::new().workers(1).start().await;
    satchel.settled(1).await;
    let load = Endless::over_all_shards(&satchel);
    load::more_accepted(&satchel, A_WHILE_JOBS).await;
    for workers in 2..=4 {
        satchel.start_worker();
        satchel.settled(workers).await;
        load::more_accepted(&satchel, A_WHILE_JOBS / 2).await;
    }
    for workers in [3, 2] {
        assert_eq!(satchel.stop_worker(Signal::SIGTERM).code(), Some(0));
        satchel.settled(workers).await;
        load::more_accepted(&satchel, A_WHILE_JOBS / 2).await;
    }
    check_gaps("1 → 4 → 2 workers", &satchel, load, HAND_OVER_MS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarting_all_workers_in_turn_leaves_no_gap() {
    // The leases live for 15 s: shards that had to wait for one to expire would show.
    let satchel = Setup::new().workers(3).start().await;
    satchel.settled(3).await;
    let load = Endless::over_all_shards(&satchel);
    for _ in 0..3 {
        load::more_accepted(&satchel, A_WHILE_JOBS / 2).await;
        assert_eq!(satchel.stop_worker(Signal::SIGTERM).code(), Some(0));
        satchel.start_worker();
        satchel.settled(3).await;
    }
    load::more_accepted(&satchel, A_WHILE_JOBS / 2).await;
    check_gaps("rolling restart of 3 workers", &satchel, load, HAND_OVER_MS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crashed_workers_shards_are_served_again_when_its_lease_is_over() {
    const TTL_MS: i64 = 4_000;
    let ttl = TTL_MS.to_string();
    let setup = Setup::new().worker_env("SATCHEL_LEASE_TTL_MS", &ttl).worker_env("SATCHEL_LEASE_RENEW_MS", "800");
    let satchel = setup.workers(2).start().await;
    satchel.settled(2).await;
    let load = Endless::over_all_shards(&satchel);
    load::more_accepted(&satchel, A_WHILE_JOBS).await;
    satchel.stop_worker(Signal::SIGKILL);
    satchel.settled(1).await;
    load::more_accepted(&satchel, A_WHILE_JOBS).await;
    check_gaps("a crashed worker", &satchel, load, TTL_MS + HAND_OVER_MS).await;
}
