//! Parking jobs, trying them again, and letting their users go on.

use satchel_model::ids::UserId;
use satchel_store::journal;
use satchel_store::parked::{self, MAX_KEPT_FAILURES, ParkedJob, ParkedState};
use satchel_store::waiting::WaitingStatus;
use satchel_store::{Session, failed};

use crate::database::Database;
use crate::job::{entry, ids, key, lock, park, reward, shard, to_park, user};

async fn chain(session: &mut Session, user_id: &UserId, max_jobs: i64) -> Vec<ParkedJob> {
    let (mut tx, _) = lock(session, user_id).await;
    let chain = parked::chain(&mut tx, &[user_id.to_string()], max_jobs).await.unwrap();
    tx.commit().await.unwrap();
    chain
}

async fn is_blocked(session: &mut Session, user_id: &UserId) -> bool {
    let (tx, is_blocked) = lock(session, user_id).await;
    tx.commit().await.unwrap();
    is_blocked
}

#[tokio::test]
async fn a_failed_job_is_due_again_with_its_users_later_jobs_behind_it_in_order() {
    let database = Database::new().await;
    let mut session = database.session();
    let u1 = user("u1");
    let jobs = [reward("u1", 1), reward("u1", 2), reward("u1", 3), reward("u1", 4)];
    park(&mut session, &[&jobs[0], &jobs[2], &jobs[1]], Some(0)).await;
    // Later ones, one of which was delivered before.
    let (mut tx, held) = lock(&mut session, &u1).await;
    assert!(held);
    assert!(parked::block(&mut tx, &[to_park(&jobs[2]), to_park(&jobs[3])]).await.unwrap().is_empty());
    tx.commit().await.unwrap();

    let others: Vec<_> = (0..4).map(satchel_model::ids::Shard::new).filter(|other| *other != shard(&u1)).collect();
    assert!(parked::due(&mut session, &others, 10).await.unwrap().is_empty());
    assert_eq!(parked::due(&mut session, &[shard(&u1)], 10).await.unwrap(), ["u1"]);
    let found = chain(&mut session, &u1, 10).await;
    assert_eq!(found.iter().map(|job| job.job_id).collect::<Vec<_>>(), ids([&jobs[0], &jobs[2], &jobs[1], &jobs[3]]));
    let states: Vec<_> = found.iter().map(|job| (job.state, job.attempts, job.tries)).collect();
    assert_eq!(states[0], (ParkedState::Retrying, 1, 1));
    assert_eq!(states[1..], [(ParkedState::Blocked, 0, 0); 3]);
    assert_eq!(found[1].sealed.open([key()]).unwrap(), jobs[2]);
    assert_eq!(chain(&mut session, &u1, 2).await.len(), 2);
    assert!(database.audit().await.unwrap().findings.is_empty());
}

#[tokio::test]
async fn a_job_whose_time_has_not_come_keeps_its_user_waiting() {
    let database = Database::new().await;
    let mut session = database.session();
    let u1 = user("u1");
    let (first, second) = (reward("u1", 1), reward("u1", 2));
    park(&mut session, &[&first, &second], Some(3_600_000)).await;
    assert!(parked::due(&mut session, &[shard(&u1)], 10).await.unwrap().is_empty());
    assert!(chain(&mut session, &u1, 10).await.is_empty());

    let position = database.psql("SELECT min(position) FROM parked_jobs").parse().unwrap();
    let (mut tx, _) = lock(&mut session, &u1).await;
    parked::fail_again(&mut tx, &u1, position, "again", None).await.unwrap();
    tx.commit().await.unwrap();
    assert!(parked::due(&mut session, &[shard(&u1)], 10).await.unwrap().is_empty());
    assert!(chain(&mut session, &u1, 10).await.is_empty());
    let found = parked::find_many(&database.pool(), &ids([&first, &second])).await.unwrap();
    let status = |job: &satchel_model::operations::Envelope| (found[&job.job_id].status, found[&job.job_id].attempts);
    assert_eq!((status(&first), status(&second)), ((WaitingStatus::Parked, 2), (WaitingStatus::Queued, 0)));
}

#[tokio::test]
async fn decided_jobs_let_the_next_one_go_and_the_last_one_frees_the_user() {
    let database = Database::new().await;
    let mut session = database.session();
    let u1 = user("u1");
    let jobs = [reward("u1", 1), reward("u1", 2), reward("u1", 3), reward("u1", 4)];
    park(&mut session, &jobs.iter().collect::<Vec<_>>(), Some(0)).await;

    // The first two were decided; the third failed for the first time.
    let (mut tx, _) = lock(&mut session, &u1).await;
    parked::release(&mut tx, &ids(&jobs[..2]), &[&u1]).await.unwrap();
    tx.commit().await.unwrap();
    let left = chain(&mut session, &u1, 10).await;
    assert_eq!(left.iter().map(|job| job.state).collect::<Vec<_>>(), [ParkedState::Retrying, ParkedState::Blocked]);
    assert_eq!((left[0].job_id, left[0].tries), (jobs[2].job_id, 0));
    assert!(is_blocked(&mut session, &u1).await);
    assert!(database.audit().await.unwrap().findings.is_empty());

    let (mut tx, _) = lock(&mut session, &u1).await;
    parked::fail_again(&mut tx, &u1, left[0].position, "again", Some(3_600_000)).await.unwrap();
    // Nothing decided: who waits for the next attempt goes on waiting.
    parked::release(&mut tx, &[], &[&u1]).await.unwrap();
    tx.commit().await.unwrap();
    assert!(chain(&mut session, &u1, 10).await.is_empty());

    let (mut tx, _) = lock(&mut session, &u1).await;
    parked::release(&mut tx, &ids(&jobs[2..]), &[&u1]).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!is_blocked(&mut session, &u1).await);
    assert!(database.audit().await.unwrap().findings.is_empty());
}

#[tokio::test]
async fn a_job_under_anothers_id_is_not_parked() {
    let database = Database::new().await;
    let mut session = database.session();
    let first = reward("u1", 1);
    park(&mut session, &[&first], None).await;
    let mut copy = reward("u2", 1);
    copy.job_id = first.job_id;
    let own = reward("u2", 2);

    let u2 = user("u2");
    let (mut tx, _) = lock(&mut session, &u2).await;
    assert!(!parked::park(&mut tx, &to_park(&copy), "it broke", None).await.unwrap());
    tx.commit().await.unwrap();
    assert!(!is_blocked(&mut session, &u2).await);

    park(&mut session, &[&own], None).await;
    let (mut tx, _) = lock(&mut session, &u2).await;
    assert_eq!(parked::block(&mut tx, &[to_park(&copy), to_park(&own)]).await.unwrap(), [first.job_id]);
    tx.commit().await.unwrap();
    assert!(database.audit().await.unwrap().findings.is_empty());
}

#[tokio::test]
async fn the_newest_failures_are_kept_and_errors_are_cut() {
    let database = Database::new().await;
    let mut session = database.session();
    let u1 = user("u1");
    park(&mut session, &[&reward("u1", 1)], Some(0)).await;
    let position = chain(&mut session, &u1, 1).await[0].position;
    for n in 1..=MAX_KEPT_FAILURES {
        let (mut tx, _) = lock(&mut session, &u1).await;
        let error = format!("failure {n}\0{}", "!".repeat(10_000));
        let retry_in_ms = (n < MAX_KEPT_FAILURES).then_some(0);
        parked::fail_again(&mut tx, &u1, position, &error, retry_in_ms).await.unwrap();
        tx.commit().await.unwrap();
    }
    let page = failed::page(&database.pool(), None, 10).await.unwrap();
    let failures = &page[0].failures;
    assert_eq!((page[0].attempts, failures.len()), (MAX_KEPT_FAILURES + 1, 20));
    assert!(failures[0].error.starts_with("failure 1!") && failures[19].error.starts_with("failure 20!"));
    assert!(failures.iter().all(|failure| failure.error.len() == parked::MAX_ERROR_CHARS));
    assert!(failures.is_sorted_by_key(|failure| failure.at));
    assert_eq!(page[0].reason.as_ref(), Some(&failures[19].error));
}

#[tokio::test]
async fn what_is_parked_leaves_the_journal() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let jobs = [reward("u1", 1), reward("u1", 2), reward("u1", 3)];
    journal::append(&pool, &jobs.iter().map(entry).collect::<Vec<_>>()).await.unwrap();
    park(&mut session, &[&jobs[0], &jobs[1]], None).await;
    let kept = journal::find_many(&pool, &ids(&jobs)).await.unwrap();
    assert_eq!(kept.into_keys().collect::<Vec<_>>(), [jobs[2].job_id]);
}

#[tokio::test]
async fn an_audit_finds_who_is_blocked_without_jobs_and_who_has_jobs_out_of_order() {
    let database = Database::new().await;
    let mut session = database.session();
    for user_id in ["u1", "u2", "u3", "u4"] {
        park(&mut session, &[&reward(user_id, 1), &reward(user_id, 2)], None).await;
    }
    database.psql(
        "DELETE FROM parked_jobs WHERE user_id = 'u1';
         UPDATE users SET is_blocked = false WHERE uid = (SELECT uid FROM user_names WHERE user_id = 'u2');
         UPDATE parked_jobs SET state = 'blocked', parked_at = NULL WHERE user_id = 'u3'",
    );
    let report = database.audit().await.unwrap();
    let mut found: Vec<_> = report.findings.iter().map(|finding| finding.user_id.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["u1", "u2", "u3"]);
}
