//! Pausing and publishing are strict against transactions in flight.

use satchel_forms::Node;
use satchel_model::catalogue::Catalogue;
use satchel_model::ids::{RequestId, Shard};
use satchel_store::catalogue::{self, Publish};
use satchel_store::leases::Rules;
use satchel_store::rules::{self, Patience};
use satchel_store::{actions, queue_state};
use satchel_wire::Fresh;

use satchel_store::leases::{self, Fence, Lease};
use satchel_store::{Session, Tx};
use uuid::Uuid;

use crate::database::Database;
use crate::job::OPERATOR;

/// Someone with a lease on one shard.
struct Worker {
    id: Uuid,
    leases: Vec<Lease>,
}

impl Worker {
    async fn join(session: &mut Session, shard: u16) -> Self {
        let id = Uuid::now_v7();
        leases::renew(session, id, 60_000).await.unwrap();
        let leases = leases::acquire(session, id, &[Shard::new(shard)]).await.unwrap();
        Self { id, leases }
    }

    async fn rules(&self, tx: &mut Tx<'_>) -> Rules {
        let Fence::Leased(rules) = leases::fence(tx, self.id, &self.leases).await.unwrap() else { panic!() };
        rules
    }
}

#[tokio::test]
async fn pausing_waits_for_the_batches_in_flight_and_holds_for_all_that_come_after() {
    let database = Database::new().await;
    let (pool, mut session, mut other) = (database.pool(), database.session(), database.session());
    let (worker, other_worker) = (Worker::join(&mut session, 0).await, Worker::join(&mut other, 1).await);
    let mut batch = rules::begin(&mut session, Patience::BATCH).await.unwrap();
    let before = worker.rules(&mut batch).await;
    assert_eq!((before.catalogue_version, before.is_paused), (0, false));
    let pausing = tokio::spawn({
        let pool = pool.clone();
        async move { queue_state::set(&pool, true, Some("maintenance"), &OPERATOR).await }
    });
    database.someone_waits().await;
    assert!(!pausing.is_finished());
    // A batch that begins now waits behind it, and sees it.
    let later = tokio::spawn(async move {
        let mut batch = rules::begin(&mut other, Patience::BATCH).await.unwrap();
        other_worker.rules(&mut batch).await
    });
    batch.commit().await.unwrap();
    let state = pausing.await.unwrap().unwrap();
    assert!(later.await.unwrap().is_paused);
    assert!(queue_state::is_paused(&mut session).await.unwrap());
    assert_eq!((state.is_paused, state.changed_by.as_deref()), (true, Some("operator:ops")));
    assert_eq!(state.reason.as_deref(), Some("maintenance"));
    assert_eq!(queue_state::state(&pool).await.unwrap(), state);

    let state = queue_state::set(&pool, false, None, &OPERATOR).await.unwrap();
    assert_eq!((state.is_paused, state.reason), (false, None));
    let recorded = actions::page(&pool, None, 10).await.unwrap();
    assert_eq!(recorded.iter().map(|action| &*action.action).collect::<Vec<_>>(), ["resume", "pause"]);
    assert_eq!(recorded[1].detail.get(), r#"{"reason":"maintenance"}"#);
}

#[tokio::test]
async fn publishing_waits_for_the_batches_in_flight() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let worker = Worker::join(&mut session, 0).await;
    let batch = rules::begin(&mut session, Patience::BATCH).await.unwrap();
    let publishing = tokio::spawn(async move {
        let node = Node::parse(br#"{"items":{"gold":{"name":"Gold","grant":"stack"}}}"#).unwrap();
        let (catalogue, request_id) = (Catalogue::parse(node).unwrap(), RequestId::random());
        let publish = Publish {
            catalogue: &catalogue,
            if_version: None,
            dry_run: false,
            actor: "operator:ops",
            request_id: &request_id,
        };
        catalogue::publish(&pool, &publish).await
    });
    database.someone_waits().await;
    assert!(!publishing.is_finished());
    batch.commit().await.unwrap();
    assert_eq!(publishing.await.unwrap().unwrap().version, 1);
    let mut batch = rules::begin(&mut session, Patience::BATCH).await.unwrap();
    assert_eq!(worker.rules(&mut batch).await.catalogue_version, 1);
}
