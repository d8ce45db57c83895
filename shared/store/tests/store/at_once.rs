//! A batch in one statement: whatever moved since it was decided, nothing of it is written.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use satchel_model::facts::Holding;
use satchel_model::fold::HoldingChange;
use satchel_model::ids::{ItemId, JobId, Shard, UserId, UserKey};
use satchel_model::ledger::{ChainHash, Head, LedgerKey, Record, Seal};
use satchel_store::at_once::{self, Refusal, Remembered, Wanted};
use satchel_store::leases::{self, Lease};
use satchel_store::progress::{Progress, ShardCounts};
use satchel_store::{Session, StoreError, clock};
use uuid::Uuid;

use crate::database::Database;

const SHARD: Shard = Shard::new(1);
const WORKER: Uuid = Uuid::from_u128(7);

/// A worker that serves the shard and remembers a user.
struct Lane {
    database: Arc<Database>,
    session: Session,
    lease: Lease,
    key: UserKey,
    head: Head,
    /// What it remembers of the user's gold.
    gold: Option<i64>,
    catalogue_version: i64,
}

impl Lane {
    async fn new() -> Self {
        let database = Arc::new(Database::new().await);
        let mut session = database.session();
        leases::renew(&mut session, WORKER, 60_000).await.unwrap();
        let lease = leases::acquire(&mut session, WORKER, &[SHARD]).await.unwrap().remove(0);
        let user_id = UserId::parse("u1").unwrap();
        let wanted = Wanted { user_id: &user_id, shard: SHARD, item_id: None };
        let (found, _) = at_once::find(&mut session, &[wanted]).await.unwrap().remove(0);
        Self { database, session, lease, key: found.key, head: found.head, gold: None, catalogue_version: 0 }
    }

    async fn now(&self) -> DateTime<Utc> {
        clock::now(&self.database.workers_pool()).await.unwrap()
    }

    /// Applies a batch of one job that gives the user a piece of gold, decided at that moment.
    async fn give(&mut self, job: u128, at: DateTime<Utc>) -> Result<Result<DateTime<Utc>, Refusal>, StoreError> {
        let mut record = Record {
            user: self.key,
            seq: self.head.version + 1,
            count: 1,
            job_id: Some(JobId::from(Uuid::from_u128(job))),
            is_rejected: false,
            at,
            body: r#"{"changes":[{"stack":["gold",1,1]}]}"#.to_owned(),
            seal: Seal::Chained(ChainHash::GENESIS),
        };
        let hash = record.hash(self.head.hash);
        record.seal = Seal::Chained(hash);
        let head = Head { version: record.seq, hash, decided_at: Some(at), ..self.head };
        let mac = LedgerKey::new(&[1; 32]).unwrap().sign_head(self.key.uid, &head);
        let item_id = ItemId::parse("gold").unwrap();
        let quantity = self.gold.unwrap_or(0) + 1;
        let holding = Holding { quantity, granted_total: quantity, used_total: 0 };
        let change =
            HoldingChange { user: self.key, item_id: &item_id, holding, found: self.gold, granted: true, used: false };
        let progress = Progress {
            records: &[record],
            holdings: &[change],
            heads: &[(self.key, head, mac)],
            counts: &[ShardCounts { shard: SHARD, applied: 1, rejected: 0 }],
            ..Progress::none(at)
        };
        let on = Remembered {
            worker_id: WORKER,
            leases: &[self.lease],
            catalogue_version: self.catalogue_version,
            heads: &[(self.key, self.head)],
        };
        let done = at_once::apply(&mut self.session, on, progress).await?;
        if done.is_ok() {
            (self.head, self.gold) = (head, Some(quantity));
        }
        Ok(done)
    }

    /// The same, now: why it was refused.
    async fn give_now(&mut self, job: u128) -> Option<Refusal> {
        let now = self.now().await;
        self.give(job, now).await.unwrap().err()
    }

    /// Records, the user's version and gold, jobs counted.
    fn written(&self) -> String {
        self.database.psql(
            "SELECT (SELECT count(*) FROM records), (SELECT sum(version) FROM users), (SELECT sum(quantity) FROM holdings),
                    (SELECT sum(applied) FROM shard_counters)",
        )
    }
}

const PUBLISH: &str = "SELECT publish_catalogue(1, '{\"items\":{}}', 'operator:ops', 'r')";

#[tokio::test]
async fn a_batch_whose_users_are_as_remembered_is_written() {
    let mut lane = Lane::new().await;
    assert_eq!(lane.give_now(1).await, None);
    assert_eq!(lane.give_now(2).await, None);
    assert_eq!(lane.written(), "2|2|2|2");
}

#[tokio::test]
async fn what_moved_since_refuses_it_and_nothing_is_written() {
    for (moved, refusal) in [
        ("UPDATE shard_leases SET epoch = epoch + 1 WHERE shard = 1", Refusal::Rules),
        ("UPDATE shard_leases SET owner = gen_random_uuid() WHERE shard = 1", Refusal::Rules),
        ("SELECT set_queue_paused(true, 'operator:ops', 'r')", Refusal::Rules),
        (PUBLISH, Refusal::Rules),
        ("UPDATE users SET version = version + 1", Refusal::Users),
        ("UPDATE users SET hash = sha256('x')", Refusal::Users),
        ("UPDATE users SET is_blocked = true", Refusal::Users),
    ] {
        let mut lane = Lane::new().await;
        assert_eq!(lane.give_now(1).await, None);
        lane.database.psql(moved);
        let before = lane.written();
        assert_eq!(lane.give_now(2).await, Some(refusal), "{moved}");
        assert_eq!(lane.written(), before, "{moved}");
    }
}

#[tokio::test]
async fn a_job_decided_before_and_a_holding_changed_by_hand_take_all_of_it_back() {
    let mut lane = Lane::new().await;
    assert_eq!(lane.give_now(1).await, None);
    let now = lane.now().await;
    assert!(matches!(lane.give(1, now).await, Err(StoreError::Decided)));
    lane.database.psql("UPDATE holdings SET quantity = 5");
    let now = lane.now().await;
    assert!(matches!(lane.give(2, now).await, Err(StoreError::Changed)));
    assert_eq!(lane.written(), "1|1|5|1");
}

#[tokio::test]
async fn a_time_that_is_not_now_is_refused() {
    let mut lane = Lane::new().await;
    for off in [TimeDelta::seconds(5), TimeDelta::seconds(-5)] {
        let at = lane.now().await + off;
        let Err(Refusal::Clock(clock)) = lane.give(1, at).await.unwrap() else { panic!("{off} was not refused") };
        assert!((clock - at + off).abs() < TimeDelta::seconds(5), "it tells the time");
    }
    assert_eq!(lane.written(), "0|0||0");
}

/// Somebody locks and changes something while the batch is on its way, and commits once it waits: it sees that then.
async fn meanwhile(lock: &str, act: &str) -> Option<Refusal> {
    const UNTIL_SOMEONE_WAITS: &str = "DO $$ BEGIN
        WHILE NOT EXISTS (
            SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        ) LOOP
            PERFORM pg_sleep(0.01);
            PERFORM pg_stat_clear_snapshot();
        END LOOP;
    END $$";
    let mut lane = Lane::new().await;
    assert_eq!(lane.give_now(1).await, None);
    let before = lane.written();
    let database = Arc::clone(&lane.database);
    let sql = format!("BEGIN; {lock}; {act}; {UNTIL_SOMEONE_WAITS}; COMMIT");
    let other = tokio::task::spawn_blocking(move || database.psql(&sql));
    let is_ready = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO $$ BEGIN%' AND state = 'active'";
    while lane.database.psql(is_ready) != "1" {
        tokio::task::yield_now().await;
    }
    let refusal = lane.give_now(2).await;
    other.await.unwrap();
    assert_eq!(lane.written(), before);
    refusal
}

#[tokio::test]
async fn a_publication_a_pause_and_another_batch_that_commit_meanwhile_are_seen() {
    let gate = "SELECT FROM change_rules()";
    assert_eq!(meanwhile(gate, PUBLISH).await, Some(Refusal::Rules));
    assert_eq!(meanwhile(gate, "SELECT set_queue_paused(true, 'operator:ops', 'r')").await, Some(Refusal::Rules));
    let user = "SELECT FROM users FOR UPDATE";
    assert_eq!(meanwhile(user, "UPDATE users SET is_blocked = true").await, Some(Refusal::Users));
}
