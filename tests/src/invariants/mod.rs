//! THE check: the invariants A to F of docs/FAULTS.md, after every end-to-end test.

mod events;
mod facts;
mod functions;
mod order;
mod roots;

use std::collections::HashSet;
use std::sync::Mutex;

use serde_json::Value;

use self::facts::Facts;
use satchel_testkit::{Accepted, Satchel, wait};

/// Most violations listed; there are seldom few.
const SHOWN: usize = 20;

/// Jobs whose status the API is asked for.
const ASKED: usize = 3;

/// Waits until every accepted job is applied or rejected, then checks everything.
///
/// Fails the test, listing the violations.
pub async fn check(satchel: &Satchel) {
    check_with_parked(satchel, &[]).await;
}

/// As [`check`], where these jobs, and no others, are parked: of each player the one that failed and, in order, those
/// that are blocked behind it.
pub async fn check_with_parked(satchel: &Satchel, parked: &[&[&str]]) {
    let accepted = satchel.journal.accepted();
    everything_accepted_ends(satchel, &accepted, parked).await;
    nothing_else_is_parked(satchel, parked).await;
    nothing_is_left_in_the_journal(satchel).await;
    nothing_is_left_in_redis(satchel).await;
    functions::every_event_is_given(satchel).await;
    the_api_tells_of_jobs_what_is_stored(satchel, &accepted, parked).await;
    let mut violations = violations(satchel);
    the_counters_count_what_is_decided(satchel, &mut violations);
    functions::each_event_has_a_run(satchel, &mut violations);
    functions::each_endpoint_has_its_runs(satchel, &mut violations);
    functions::one_run_goes_on_before_those_held(satchel, &mut violations);
    assert!(
        violations.is_empty(),
        "{} violations of the invariants:\n{}",
        violations.len(),
        violations[..violations.len().min(SHOWN)].join("\n")
    );
}

/// What does not hold of B, C, D, E and F at this moment.
pub fn violations(satchel: &Satchel) -> Vec<String> {
    let facts = Facts::read(&satchel.database.owner);
    let retired = satchel.journal.retired();
    let mut violations = Vec::new();
    facts.each_job_had_its_effect_once(&retired, &mut violations);
    facts.quantities_are_the_sums_of_the_ledger(&mut violations);
    facts.every_chain_verifies(&mut violations);
    roots::each_batch_has_its_root(&satchel.database.owner, &mut violations);
    roots::each_record_is_under_a_root(&satchel.database.owner, &mut violations);
    facts.events_are_numbered_without_gaps(&mut violations);
    facts.every_job_is_told_of_once(&retired, &mut violations);
    let accepted = satchel.journal.accepted();
    facts.jobs_were_applied_in_the_order_accepted(&accepted, &mut violations);
    if !satchel.setup.sets_postgres_clock() {
        facts.jobs_were_decided_in_the_order_accepted(&accepted, &mut violations);
    }
    violations
}

/// A: each accepted job ends applied, rejected or parked; blocked behind a parked one it waits.
async fn everything_accepted_ends(satchel: &Satchel, accepted: &[Accepted], parked: &[&[&str]]) {
    let parked: HashSet<&str> = parked.iter().flat_map(|chain| chain.iter().copied()).collect();
    let retired = satchel.journal.retired();
    wait::until("every accepted job is finished (invariant A)", || async {
        let finished = satchel.database.owner.try_run("SELECT job_id FROM jobs").ok()?;
        let finished: HashSet<&str> = finished.lines().collect();
        let ends = |job: &Accepted| {
            let id = job.job_id.as_str();
            finished.contains(id) != parked.contains(id) || retired.contains(id)
        };
        accepted.iter().all(ends).then_some(())
    })
    .await;
}

/// A, the other half: what Postgres has parked is what the test says.
async fn nothing_else_is_parked(satchel: &Satchel, parked: &[&[&str]]) {
    let mut expected: Vec<(String, String)> = Vec::new();
    for chain in parked {
        let states = ["parked"].into_iter().chain(std::iter::repeat("blocked"));
        expected.extend(chain.iter().zip(states).map(|(id, state)| ((*id).to_owned(), state.to_owned())));
    }
    expected.sort();
    let owner = &satchel.database.owner;
    wait::until("exactly the jobs that should be are parked and blocked", || async {
        let rows = owner.rows("SELECT job_id, state FROM parked_jobs");
        let member = |row: &Value, name: &str| row[name].as_str().expect("text").to_owned();
        let mut found: Vec<_> = rows.iter().map(|row| (member(row, "job_id"), member(row, "state"))).collect();
        found.sort();
        (found == expected).then_some(())
    })
    .await;
    for chain in parked {
        let ids = owner.rows(&format!(
            "SELECT job_id FROM parked_jobs
             WHERE user_id = (SELECT user_id FROM parked_jobs WHERE job_id = '{}') ORDER BY position",
            chain[0]
        ));
        let ids: Vec<_> = ids.iter().map(|row| row["job_id"].as_str().expect("text")).collect();
        assert_eq!(&ids, chain, "the jobs of one player are parked in their order");
    }
    let blocked = "SELECT string_agg(user_id, ' ' ORDER BY user_id) FROM users JOIN user_names USING (shard, uid) WHERE is_blocked";
    let behind = "SELECT string_agg(DISTINCT user_id, ' ' ORDER BY user_id) FROM parked_jobs";
    assert_eq!(owner.run(blocked), owner.run(behind), "exactly those players are blocked who have parked jobs");
}

/// The journal of accepted jobs holds none that is decided or parked.
async fn nothing_is_left_in_the_journal(satchel: &Satchel) {
    let left = "SELECT count(*) FROM journal";
    wait::until_true("the journal is empty", || satchel.database.owner.number(left) == 0).await;
}

/// No entry waits or is claimed, and no job counts as pending, once all are finished.
async fn nothing_is_left_in_redis(satchel: &Satchel) {
    let left = Mutex::default();
    let nothing = wait::look_until(|| {
        let found = satchel.redis.commands.leftovers();
        let nothing = found.is_empty();
        *left.lock().unwrap() = found;
        nothing
    });
    assert!(nothing.await, "left in Redis: {:?}", left.lock().unwrap());
}

/// What the API tells of a job is what is stored; asked for some of them.
async fn the_api_tells_of_jobs_what_is_stored(satchel: &Satchel, accepted: &[Accepted], parked: &[&[&str]]) {
    let retired = satchel.journal.retired();
    let decided = |job: &&Accepted| {
        let id = job.job_id.as_str();
        !retired.contains(id) && !parked.iter().any(|chain| chain.contains(&id))
    };
    for job in accepted.iter().rev().filter(decided).take(ASKED) {
        let told = satchel.finished(&job.job_id).await;
        let sql = format!("SELECT status, result, user_id FROM jobs WHERE job_id = '{}'", job.job_id);
        let stored = satchel.database.owner.rows(&sql).remove(0);
        assert_eq!(
            (&told["status"], &told["result"], &told["userId"]),
            (&stored["status"], &stored["result"], &stored["user_id"])
        );
    }
}

/// What the statistics count per shard is what was decided.
fn the_counters_count_what_is_decided(satchel: &Satchel, violations: &mut Vec<String>) {
    let owner = &satchel.database.owner;
    let counted = owner.number("SELECT coalesce(sum(applied + rejected), 0) FROM shard_counters");
    let decided = owner.number("SELECT count(*) FROM jobs");
    let retired = i64::try_from(satchel.journal.retired().len()).expect("few");
    if counted != decided + retired {
        violations
            .push(format!("shard_counters count {counted} jobs, {decided} are stored and {retired} were cleaned"));
    }
}
