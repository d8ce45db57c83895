//! What operators see of parked jobs and do about them.

use std::sync::Arc;

use chrono::TimeDelta;
use satchel_model::ids::{JobId, UserId};
use satchel_model::records::JobStatus;
use satchel_store::failed::{self, Filter};
use satchel_store::jobs;
use satchel_store::parked::{self, ParkedState};
use satchel_store::{Pool, actions, stats};

use crate::database::Database;
use crate::job::{OPERATOR, ago, ids, lock, park, places, reward, shard, user};

fn only(job_ids: Vec<JobId>) -> Filter {
    Filter { job_ids: Some(job_ids), ..Filter::default() }
}

async fn listed(pool: &Pool) -> Vec<JobId> {
    failed::page(pool, None, 100).await.unwrap().into_iter().map(|job| job.job_id).collect()
}

#[tokio::test]
async fn the_list_shows_parked_jobs_alone_oldest_first_a_page_at_a_time() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let parked = [reward("u3", 3), reward("u1", 1), reward("u2", 2)];
    for job in &parked {
        park(&mut session, &[job, &reward(job.job.user_id.as_str(), 7)], None).await;
    }
    park(&mut session, &[&reward("u4", 4)], Some(0)).await;

    let first = failed::page(&pool, None, 2).await.unwrap();
    let after = first.last().map(|job| (job.parked_at, job.job_id));
    let rest = failed::page(&pool, after, 2).await.unwrap();
    let all: Vec<_> = first.iter().chain(&rest).collect();
    assert_eq!(all.iter().map(|job| job.job_id).collect::<Vec<_>>(), ids(&parked));
    assert!(all.iter().all(|job| job.held_behind == 1 && job.attempts == 1));
    assert_eq!(all[0].job.get(), serde_json::to_string(&parked[0].job).unwrap());
    assert_eq!((all[0].reason.as_deref(), all[0].submitted_at), (Some("it broke"), parked[0].submitted_at));
    let document = serde_json::to_value(all[0]).unwrap();
    assert_eq!((&document["type"], &document["heldBehind"]), (&"reward_inventory_item".into(), &1.into()));
}

#[tokio::test]
async fn a_retried_job_is_due_at_once_with_all_its_tries_and_the_action_is_recorded() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let (first, second) = (reward("u1", 1), reward("u1", 2));
    park(&mut session, &[&first, &second], None).await;

    // What is blocked, unknown or retried already is none of the parked ones.
    let asked = only(vec![first.job_id, second.job_id, JobId::from(uuid::Uuid::now_v7())]);
    assert_eq!(failed::retry(&pool, &asked, 10, &OPERATOR).await.unwrap(), [first.job_id]);
    assert_eq!(failed::retry(&pool, &asked, 10, &OPERATOR).await.unwrap(), []);
    assert_eq!(listed(&pool).await, []);

    let u1 = user("u1");
    assert_eq!(parked::due(&mut session, &[shard(&u1)], 10).await.unwrap(), ["u1"]);
    let (mut tx, _) = lock(&mut session, &u1).await;
    let chain = parked::chain(&mut tx, &["u1".to_owned()], 10).await.unwrap();
    assert_eq!((chain[0].state, chain[0].attempts, chain[0].tries), (ParkedState::Retrying, 1, 0));
    parked::fail_again(&mut tx, &u1, chain[0].position, "again", None).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(failed::page(&pool, None, 1).await.unwrap()[0].attempts, 2);

    let recorded = actions::page(&pool, None, 10).await.unwrap();
    assert_eq!(recorded.len(), 1);
    let action = &recorded[0];
    assert_eq!((&*action.actor, &*action.request_id, &*action.action), ("operator:ops", "r1", "retry"));
    let detail: serde_json::Value = serde_json::from_str(action.detail.get()).unwrap();
    assert_eq!(detail["jobIds"], serde_json::json!([first.job_id]));
}

#[tokio::test]
async fn a_filter_means_what_fits_all_of_it_and_never_more_than_the_limit() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let jobs: Vec<_> = ["u1", "u2", "u3", "u4"].into_iter().map(|user_id| reward(user_id, 1)).collect();
    for job in &jobs {
        park(&mut session, &[job], None).await;
    }
    database.psql("UPDATE parked_jobs SET parked_at = now() - interval '2 days' WHERE user_id IN ('u2', 'u3')");
    let retry = async |filter: Filter, limit: i64| failed::retry(&pool, &filter, limit, &OPERATOR).await.unwrap();

    let old = Filter { parked_before: Some(ago(TimeDelta::days(1))), ..Filter::default() };
    let of = |user_id: &str| Filter { user_id: Some(user(user_id)), ..old.clone() };
    assert_eq!(retry(of("u1"), 10).await, []);
    assert_eq!(retry(of("u3"), 10).await, ids([&jobs[2]]));
    assert_eq!(retry(Filter { job_type: Some("use_item".into()), ..Filter::default() }, 10).await, []);
    let typed = Filter { job_type: Some("reward_inventory_item".into()), ..old.clone() };
    assert_eq!(retry(Filter { job_ids: Some(ids(&jobs[..1])), ..typed.clone() }, 10).await, []);
    assert_eq!(retry(Filter { job_ids: Some(ids(&jobs)), ..typed }, 10).await, ids([&jobs[1]]));
    // The longest parked first.
    assert_eq!(retry(Filter::default(), 1).await, ids([&jobs[0]]));
    assert_eq!(retry(Filter::default(), 10).await, ids([&jobs[3]]));
    assert_eq!(actions::page(&pool, None, 10).await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_removed_job_is_archived_and_rejected_and_the_next_one_goes_on() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let (first, second, alone) = (reward("u1", 1), reward("u1", 2), reward("u2", 1));
    park(&mut session, &[&first, &second], None).await;
    park(&mut session, &[&alone], None).await;
    let by_job = only(vec![first.job_id]);
    assert_eq!(failed::remove(&pool, &by_job, 10, &OPERATOR).await.unwrap(), [first.job_id]);
    let all: Vec<_> = failed::remove(&pool, &Filter::default(), 10, &OPERATOR).await.unwrap();
    assert_eq!(all, [alone.job_id]);

    let record = jobs::find(&pool, first.job_id).await.unwrap().unwrap();
    assert_eq!((record.status, record.attempts), (JobStatus::Rejected, 1));
    assert_eq!(record.payload_hash, first.job.payload_hash());
    assert!(record.result.get().starts_with(r#"{"code":"removed","message":"#), "{}", record.result);
    assert!(jobs::find(&pool, second.job_id).await.unwrap().is_none());
    assert_eq!(
        database.psql("SELECT user_id, archived_by, reason, body ->> 'jobId' FROM archived_jobs ORDER BY user_id"),
        format!("u1|operator:ops|removed|{}\nu2|operator:ops|removed|{}", first.job_id, alone.job_id)
    );
    // The next one goes, the other user is free.
    assert_eq!(parked::due(&mut session, &[shard(&user("u1"))], 10).await.unwrap(), ["u1"]);
    assert_eq!(
        database.psql("SELECT user_id, is_blocked FROM users JOIN user_names USING (shard, uid) ORDER BY user_id"),
        "u1|t\nu2|f"
    );
    assert!(database.audit().await.unwrap().findings.is_empty());
    let rejected: i64 = stats::stats(&pool).await.unwrap().shards.iter().map(|shard| shard.rejected).sum();
    assert_eq!(rejected, 2);
    let recorded = actions::page(&pool, None, 10).await.unwrap();
    assert_eq!(recorded.iter().map(|action| action.job_id).collect::<Vec<_>>(), [None, Some(first.job_id)]);
    let before = actions::page(&pool, Some(recorded[0].id), 10).await.unwrap();
    assert_eq!(before.iter().map(|action| action.id).collect::<Vec<_>>(), [recorded[1].id]);
}

#[tokio::test]
async fn a_job_that_a_worker_decides_meanwhile_is_neither_removed_nor_retried() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let (first, second) = (reward("u1", 1), reward("u1", 2));
    park(&mut session, &[&first, &second], None).await;
    for is_removal in [true, false] {
        let waiting = [&first, &second][usize::from(!is_removal)].job_id;
        let u1 = user("u1");
        let (mut tx, _) = lock(&mut session, &u1).await;
        let by_id = Filter { job_ids: Some(vec![waiting]), ..Filter::default() };
        let operator = tokio::spawn({
            let pool = pool.clone();
            async move {
                if is_removal {
                    failed::remove(&pool, &by_id, 10, &OPERATOR).await
                } else {
                    failed::retry(&pool, &by_id, 10, &OPERATOR).await
                }
            }
        });
        database.someone_waits().await;
        assert!(!operator.is_finished());
        parked::release(&mut tx, &[waiting], &[&u1]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(operator.await.unwrap().unwrap(), []);
        // The second one is parked in its turn.
        database.psql("UPDATE parked_jobs SET state = 'parked', parked_at = now(), next_attempt_at = NULL");
    }
    assert_eq!(database.psql("SELECT count(*) FROM archived_jobs"), "0");
    assert!(database.audit().await.unwrap().findings.is_empty());
}

#[tokio::test]
async fn of_many_jobs_those_whose_player_someone_holds_are_left_for_another_time() {
    let database = Database::new().await;
    let (pool, mut session, mut other) = (database.pool(), database.session(), database.session());
    let (busy, free) = (reward("u1", 1), reward("u2", 2));
    park(&mut session, &[&busy], None).await;
    park(&mut session, &[&free], None).await;
    let u1 = user("u1");
    let (tx, _) = lock(&mut other, &u1).await;
    assert_eq!(failed::retry(&pool, &Filter::default(), 10, &OPERATOR).await.unwrap(), [free.job_id]);
    tx.commit().await.unwrap();
    assert_eq!(failed::retry(&pool, &Filter::default(), 10, &OPERATOR).await.unwrap(), [busy.job_id]);
}

/// Many operators and a worker at once, on the same users: no deadlock, and every job ends in one place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_at_once_never_deadlock_and_never_take_a_job_twice() {
    const USERS: usize = 40;
    let database = Arc::new(Database::new().await);
    let (pool, mut session) = (database.pool(), database.session());
    let user_ids: Vec<UserId> = (0..USERS).map(|n| user(&format!("u{n}"))).collect();
    let mut jobs = Vec::new();
    for user_id in &user_ids {
        let chain = [1, 2, 3].map(|n| reward(user_id.as_str(), n));
        park(&mut session, &chain.iter().collect::<Vec<_>>(), None).await;
        jobs.extend(ids(&chain));
    }
    let operators: Vec<_> = (0..3)
        .map(|n| {
            let (pool, reversed) = (pool.clone(), jobs.iter().rev().copied().collect::<Vec<_>>());
            tokio::spawn(async move {
                let mut removed = Vec::new();
                for filter in [Filter::default(), only(reversed)] {
                    removed.extend(failed::remove(&pool, &filter, 20 + n, &OPERATOR).await.unwrap());
                }
                removed
            })
        })
        .collect();
    // The worker applies what is due of all users, one after the other's removal.
    for _ in 0..10 {
        let mut tx = session.begin().await.unwrap();
        let mut sorted: Vec<_> = user_ids.iter().collect();
        sorted.sort_unstable();
        satchel_store::users::lock(&mut tx, &places(sorted.iter().copied())).await.unwrap();
        let names: Vec<String> = sorted.iter().map(ToString::to_string).collect();
        let chain = parked::chain(&mut tx, &names, 30).await.unwrap();
        let done: Vec<_> = chain.iter().map(|job| job.job_id).collect();
        parked::release(&mut tx, &done, &sorted).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut removed = Vec::new();
    for operator in operators {
        removed.extend(operator.await.unwrap());
    }
    let count = removed.len();
    removed.sort_unstable();
    removed.dedup();
    assert_eq!(removed.len(), count);
    assert_eq!(database.psql("SELECT count(*) FROM archived_jobs"), count.to_string());
    assert!(database.audit().await.unwrap().findings.is_empty());
}
