//! The journal: each job id once, in the order accepted, and what the queue has forgotten.

use std::sync::Arc;

use chrono::TimeDelta;
use satchel_model::ids::{IdempotencyKey, JobId};
use satchel_model::operations::Envelope;
use satchel_store::journal::{self, Appended, Beginning, Journaled};
use satchel_store::waiting::WaitingStatus;
use satchel_store::{Pool, Session};
use tokio::sync::Barrier;

use crate::database::Database;
use crate::job::{self, delayed, entry, ids, key, park, reward, shard, user};

const SAME: Appended = Appended::Known { same: true };
const OTHER: Appended = Appended::Known { same: false };

async fn append(pool: &Pool, jobs: &[&Envelope]) -> Vec<Appended> {
    journal::append(pool, &jobs.iter().map(|job| entry(job)).collect::<Vec<_>>()).await.unwrap()
}

async fn earlier(session: &mut Session, delivered: &[&Envelope], max_rows: i64) -> Vec<Journaled> {
    let mut tx = session.begin().await.unwrap();
    let rows = journal::earlier(&mut tx, &ids(delivered.iter().copied()), max_rows).await.unwrap();
    tx.commit().await.unwrap();
    rows
}

fn job_ids(rows: &[Journaled]) -> Vec<JobId> {
    rows.iter().map(|row| row.job_id).collect()
}

fn under_the_id_of(job: &Envelope, user_id: &str, quantity: u32) -> Envelope {
    Envelope { job_id: job.job_id, ..reward(user_id, quantity) }
}

/// As a batch does with a job that changes nothing.
async fn decide(session: &mut Session, job: &Envelope) {
    job::decide(session, job, &[]).await;
    let mut tx = session.begin().await.unwrap();
    journal::remove(&mut tx, &[job.job_id]).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_job_id_is_kept_once_and_a_repetition_is_told_from_another_job() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let (first, second, third) = (reward("u1", 1), reward("u1", 2), reward("u2", 3));
    assert_eq!(append(&pool, &[&first, &second]).await, [Appended::New, Appended::New]);
    let (other_job, other_user) = (under_the_id_of(&first, "u1", 9), under_the_id_of(&second, "u9", 2));
    // Also within one call.
    let twice = under_the_id_of(&third, "u2", 9);
    assert_eq!(
        append(&pool, &[&first, &other_job, &third, &third, &twice, &other_user]).await,
        [SAME, OTHER, Appended::New, SAME, OTHER, OTHER]
    );
    let found = journal::find_many(&pool, &ids([&first, &third, &reward("u1", 1)])).await.unwrap();
    assert_eq!(found.len(), 2);
    let third_found = &found[&third.job_id];
    assert_eq!((third_found.status, &third_found.user_id), (WaitingStatus::Queued, &user("u2")));
    assert_eq!(third_found.payload_hash, third.job.payload_hash());
    assert_eq!(earlier(&mut session, &[&second], 10).await.len(), 2);
}

#[tokio::test]
async fn a_key_whose_job_has_left_the_journal_unseen_is_told_from_a_new_one() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let keyed = |key: &str, user_id: &str| Envelope {
        job_id: JobId::of_key("service:game", &user(user_id), &IdempotencyKey::parse(key).unwrap()),
        ..reward(user_id, 1)
    };
    let (parked, decided, fresh) = (keyed("parked", "u1"), keyed("decided", "u2"), keyed("fresh", "u3"));
    park(&mut session, &[&parked], None).await;
    decide(&mut session, &decided).await;
    let (other, same) = (under_the_id_of(&parked, "u4", 5), decided.clone());
    assert_eq!(append(&pool, &[&other, &same, &fresh]).await, [OTHER, SAME, Appended::New]);
    let kept = journal::find_many(&pool, &ids([&parked, &decided, &fresh])).await.unwrap();
    assert_eq!(kept.keys().collect::<Vec<_>>(), [&fresh.job_id], "nothing else is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_ids_added_by_many_at_once_in_any_order_are_each_kept_once() {
    const REPLICAS: usize = 4;
    const JOBS: u32 = 200;
    let database = Database::new().await;
    // Slow enough that they meet half-way.
    database.psql(
        "CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.001); RETURN NEW; END';
         CREATE TRIGGER slow BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION take_time()",
    );
    let jobs: Arc<Vec<_>> = Arc::new((0..JOBS).map(|n| reward(&format!("u{}", n % 7), n + 1)).collect());
    let all_there = Arc::new(Barrier::new(REPLICAS));
    let replicas: Vec<_> = (0..REPLICAS)
        .map(|n| {
            let (pool, jobs, all_there) = (database.pool(), Arc::clone(&jobs), Arc::clone(&all_there));
            tokio::spawn(async move {
                let mut order: Vec<_> = jobs.iter().collect();
                if n % 2 == 1 {
                    order.reverse();
                }
                pool.ping().await.unwrap();
                all_there.wait().await;
                append(&pool, &order).await
            })
        })
        .collect();
    let mut new = 0;
    for replica in replicas {
        let appended = replica.await.unwrap();
        assert!(appended.iter().all(|appended| [Appended::New, SAME].contains(appended)));
        new += appended.iter().filter(|appended| **appended == Appended::New).count();
    }
    assert_eq!((new, database.psql("SELECT count(*) FROM journal")), (200, "200".into()));
}

#[tokio::test]
async fn a_batch_finds_what_its_users_have_before_its_last_job_in_the_order_accepted() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let u1: Vec<_> = (1..=5).map(|n| reward("u1", n)).collect();
    let u2: Vec<_> = (1..=2).map(|n| reward("u2", n)).collect();
    let late = delayed(reward("u1", 7), TimeDelta::hours(1));
    let past = delayed(reward("u1", 8), TimeDelta::hours(-1));
    append(&pool, &[&u1[0], &u2[0], &late, &u1[3], &past]).await;
    append(&pool, &[&u1[2], &u1[1], &u1[4], &u2[1]]).await;
    decide(&mut session, &u1[0]).await;

    // u1's last one is u1[1]; u2's first; one is known to nobody.
    let rows = earlier(&mut session, &[&u1[1], &u1[3], &u2[0], &reward("u3", 1)], 100).await;
    assert_eq!(job_ids(&rows), ids([&u1[3], &past, &u1[2], &u1[1], &u2[0]]));
    assert!(rows.is_sorted_by_key(|row| (row.user_id.clone(), row.seq)));
    let bodies: Vec<_> = rows.iter().map(|row| row.sealed.body.is_empty()).collect();
    assert_eq!(bodies, [true, false, false, true, true]);
    let read = rows[2].sealed.open([key()]).unwrap();
    assert_eq!((read, rows[2].shard), (u1[2].clone(), shard(&user("u1")).get().into()));
    assert_eq!(job_ids(&earlier(&mut session, &[&u1[1], &u2[0]], 2).await), ids([&u1[3], &past]));
    // What is delayed has the place of its time: here behind all that is there already, then among them.
    let rows = earlier(&mut session, &[&late], 100).await;
    assert_eq!(job_ids(&rows), ids([&u1[3], &past, &u1[2], &u1[1], &u1[4], &late]));
    database.psql(&format!(
        "UPDATE journal SET not_before = (SELECT max(accepted_at) FROM journal) WHERE job_id = '{}'",
        late.job_id
    ));
    for delivered in [vec![&u1[1]], vec![&late, &u1[1]]] {
        let rows = earlier(&mut session, &delivered, 100).await;
        assert_eq!(job_ids(&rows), ids([&u1[3], &past, &late, &u1[2], &u1[1]]));
    }
    assert_eq!(job_ids(&earlier(&mut session, &[&late], 100).await), ids([&u1[3], &past, &late]));
    // A clock that was set back changes nothing of it.
    database.psql(&format!(
        "UPDATE journal SET accepted_at = accepted_at - interval '1 hour' WHERE job_id = '{}'",
        u1[2].job_id
    ));
    let rows = earlier(&mut session, &[&u1[1]], 100).await;
    let plain: Vec<_> = job_ids(&rows).into_iter().filter(|job_id| *job_id != late.job_id).collect();
    assert_eq!(plain, ids([&u1[3], &past, &u1[2], &u1[1]]));
}

#[tokio::test]
async fn what_nobody_decided_in_time_is_fed_again_once_in_a_while_in_order() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let jobs: Vec<_> = (1..=4).map(|n| reward("u1", n)).collect();
    let (later, sooner) = (delayed(reward("u1", 5), TimeDelta::days(1)), delayed(reward("u1", 6), TimeDelta::hours(1)));
    let elsewhere = reward("u2", 1);
    assert_ne!(shard(&user("u1")), shard(&user("u2")));
    append(&pool, &[&jobs[2], &later, &jobs[0], &sooner, &jobs[1], &elsewhere]).await;
    database.psql("UPDATE journal SET accepted_at = now() - interval '1 minute'");
    database.psql(&format!(
        "UPDATE journal SET not_before = now() - interval '1 minute' WHERE job_id = '{}'",
        sooner.job_id
    ));
    append(&pool, &[&jobs[3]]).await;

    let u1 = shard(&user("u1"));
    assert!(journal::has_overdue(&mut session, &[u1], 30_000).await.unwrap());
    assert!(!journal::has_overdue(&mut session, &[u1], 90_000).await.unwrap());
    let places = journal::seqs(&mut session, &ids([&jobs[0], &later])).await.unwrap();
    assert_eq!(places.keys().collect::<Vec<_>>(), [&jobs[0].job_id]);
    let forgotten = async |session: &mut Session, before: Option<i64>, max_jobs: i64| {
        let beginning = Beginning { shard: u1, seq: before.unwrap_or(i64::MAX) };
        job_ids(&journal::forgotten(session, &[beginning], 30_000, max_jobs).await.unwrap())
    };
    // Before the first that the queue has, if it has any; and what is due.
    assert_eq!(forgotten(&mut session, Some(places[&jobs[0].job_id]), 10).await, ids([&jobs[2], &sooner]));
    assert_eq!(forgotten(&mut session, None, 1).await, ids([&jobs[0]]));
    // A batch that is about to decide one is not disturbed.
    let mut other = database.session();
    let mut tx = other.begin().await.unwrap();
    journal::remove(&mut tx, &[jobs[1].job_id]).await.unwrap();
    assert!(forgotten(&mut session, None, 10).await.is_empty());
    drop(tx);
    other.close().await;
    let mut left = forgotten(&mut session, None, 10).await;
    while left.is_empty() {
        // The server has not rolled it back yet.
        left = forgotten(&mut session, None, 10).await;
    }
    assert_eq!(left, ids([&jobs[1]]));
    assert!(forgotten(&mut session, None, 10).await.is_empty());
    database.psql("UPDATE journal SET refed_at = now() - interval '1 minute' WHERE refed_at IS NOT NULL");
    assert_eq!(forgotten(&mut session, None, 10).await, ids([&jobs[2], &jobs[0], &jobs[1], &sooner]));
    database.psql("UPDATE journal SET not_before = now() - interval '2 minutes' WHERE not_before IS NOT NULL");
    assert!(journal::has_overdue(&mut session, &[u1], 90_000).await.unwrap());
    assert_eq!(forgotten(&mut session, None, 10).await, ids([&later]));
}

#[tokio::test]
async fn an_id_that_left_the_journal_is_free_there_again() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let (decided, parked) = (reward("u1", 1), reward("u2", 1));
    append(&pool, &[&decided, &parked]).await;
    decide(&mut session, &decided).await;
    park(&mut session, &[&parked], None).await;
    // Who submits looks for decided and parked jobs before; one that gets here all the same is found decided.
    assert_eq!(append(&pool, &[&decided, &parked]).await, [Appended::New, Appended::New]);
}
