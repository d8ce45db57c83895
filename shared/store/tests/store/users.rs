//! Users' numbers: one each, whoever needs it first.

use satchel_model::access::Role;
use satchel_model::operations::Envelope;
use satchel_store::withdrawals::{self, WaitingElsewhere};
use satchel_store::{Pool, Session};

use crate::database::Database;
use crate::job::{OPERATOR, find, reward, shard, user};

/// Withdraws a job that nobody has decided.
async fn withdraw(pool: &Pool, job: &Envelope) -> bool {
    let user_id = &job.job.user_id;
    let waiting = WaitingElsewhere {
        job_id: job.job_id,
        job_type: job.job.work.name(),
        user_id,
        shard: shard(user_id),
        submitted_at: job.submitted_at,
        not_before: None,
        is_quiet: false,
        submitter: "service:game",
        payload_hash: None,
    };
    withdrawals::withdraw(pool, &waiting, &OPERATOR, Role::Operator).await.unwrap()
}

async fn number(mut session: Session, user_id: &str) -> i64 {
    let (tx, found) = find(&mut session, &user(user_id)).await;
    tx.commit().await.unwrap();
    found.key.uid.get()
}

#[tokio::test]
async fn a_user_whom_two_meet_at_once_has_one_number() {
    let database = Database::new().await;
    let (pool, mut first) = (database.pool(), database.session());
    for (user_id, is_api, is_committed) in
        [("u1", false, false), ("u2", false, true), ("u3", true, false), ("u4", true, true)]
    {
        let (tx, found) = find(&mut first, &user(user_id)).await;
        let (second, pool, job) = (database.session(), pool.clone(), reward(user_id, 1));
        let later = tokio::spawn(async move {
            if is_api {
                assert!(withdraw(&pool, &job).await);
            } else {
                number(second, user_id).await;
            }
        });
        database.someone_waits().await;
        if is_committed {
            tx.commit().await.unwrap();
        } else {
            drop(tx);
            first.reset();
        }
        later.await.unwrap();
        let numbers = format!(
            "SELECT count(*), count(*) FILTER (WHERE uid = {}) FROM user_names JOIN users USING (shard, uid)
             WHERE user_id = '{user_id}'",
            found.key.uid
        );
        let expected = if is_committed { "1|1" } else { "1|0" };
        assert_eq!(database.psql(&numbers), expected, "{user_id}");
        let number = number(database.session(), user_id).await;
        assert_eq!(number == found.key.uid.get(), is_committed, "{user_id}");
    }
    assert_eq!(database.psql("SELECT count(*) FROM users"), "4", "none without a name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_give_each_user_one_number() {
    const AT_ONCE: usize = 4;
    const USERS: usize = 30;
    let database = Database::new().await;
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|n| {
            let (pool, mut session) = (database.pool(), database.session());
            tokio::spawn(async move {
                for user_id in (0..USERS).map(|user| format!("u{user}")) {
                    if n % 2 == 0 {
                        assert!(withdraw(&pool, &reward(&user_id, 1)).await);
                    } else {
                        find(&mut session, &user(&user_id)).await.0.commit().await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let counts = "SELECT count(*), count(DISTINCT user_id), count(DISTINCT users.uid)
        FROM user_names FULL JOIN users USING (shard, uid)";
    assert_eq!(database.psql(counts), format!("{USERS}|{USERS}|{USERS}"));
    let theirs = "SELECT count(*) FROM records JOIN user_names USING (shard, uid) WHERE count = 0";
    assert_eq!(database.psql(theirs), (AT_ONCE / 2 * USERS).to_string());
}
